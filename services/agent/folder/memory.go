package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/google/uuid"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
)

// Names of the files in the applied folder that are not manifests.
const (
	memoryName = ".meshweir.json"
	lockName   = ".meshweir.lock"
	statusDir  = "status"
)

// memory is what an agent must still know after a restart; it stays with the
// cluster, not in Redis.
type memory struct {
	// UID identifies the cluster; Made says that no manifest gave it.
	UID  string `json:"uid,omitempty"`
	Made bool   `json:"made,omitempty"`
	// Applied is how far each kind of keyspace was applied.
	Applied map[string]keyspace.Position `json:"applied,omitempty"`
}

func (f *Folder) loadMemory() error {
	data, err := f.applied.ReadFile(memoryName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &f.memory)
	}
	if err != nil {
		return fmt.Errorf("reading %s/%s: %w: correct it, or remove it, and the cluster is a new one", f.appliedDir(), memoryName, err)
	}
	return nil
}

func (f *Folder) saveMemory() error {
	data, err := json.MarshalIndent(f.memory, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding what to remember: %w", err)
	}
	return f.replace(memoryName, append(data, '\n'))
}

// Identity returns what tells this cluster from others: the UID of the
// kube-system Namespace, where a manifest has it, or one that was made up at the first call.
// One that was made up stays, so that a manifest may come later.
func (f *Folder) Identity(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.scan(nil); err != nil {
		return "", err
	}
	found := f.kubeSystemUID()
	switch {
	case f.memory.Made, found == "" && f.memory.UID != "", found != "" && found == f.memory.UID:
		return f.memory.UID, nil
	case found != "":
		f.memory.UID = found
	default:
		f.memory.UID, f.memory.Made = uuid.NewString(), true
	}
	return f.memory.UID, f.saveMemory()
}

func (f *Folder) kubeSystemUID() string {
	key := resource.Key{Kind: "Namespace", Name: "kube-system"}
	var object struct {
		Metadata struct {
			UID string `json:"uid"`
		} `json:"metadata"`
	}
	if json.Unmarshal(f.winner(key), &object) != nil {
		return ""
	}
	return object.Metadata.UID
}

// LastApplied returns how far a kind of keyspace was applied; zero for not at all.
func (f *Folder) LastApplied(kind string) keyspace.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.memory.Applied[kind]
}

// SetLastApplied remembers how far a kind of keyspace was applied.
func (f *Folder) SetLastApplied(kind string, p keyspace.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.memory.Applied[kind] == p {
		return nil
	}
	if f.memory.Applied == nil {
		f.memory.Applied = map[string]keyspace.Position{}
	}
	f.memory.Applied[kind] = p
	return f.saveMemory()
}
