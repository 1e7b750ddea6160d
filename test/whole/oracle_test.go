package whole

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/test/oracle"
)

// wanted is what a full translation of the snapshots gives: cluster → object key → spec.
func (s *system) wanted() (map[string]map[string]any, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	return oracle.Wanted(ctx, s.store(), demo.Clusters()...)
}

// given is what stands in the applied folders: cluster → object key → spec.
func (s *system) given() (map[string]map[string]any, error) {
	given := map[string]map[string]any{}
	for _, cluster := range demo.Clusters() {
		given[cluster] = map[string]any{}
		for file, content := range s.applied(cluster) {
			if strings.HasPrefix(file, "status/") {
				continue
			}
			var object map[string]any
			if err := yaml.Unmarshal([]byte(content), &object); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			meta, _ := object["metadata"].(map[string]any)
			group, _, _ := strings.Cut(fmt.Sprint(object["apiVersion"]), "/")
			key := resource.Key{Group: group, Kind: fmt.Sprint(object["kind"]), Namespace: fmt.Sprint(meta["namespace"]), Name: fmt.Sprint(meta["name"])}
			given[cluster][key.String()] = object["spec"]
		}
	}
	return given, nil
}

// awaitConverged waits until every cluster was given what a full translation gives, for which Redis may have refused nothing.
func (s *system) awaitConverged() {
	s.t.Helper()
	eventually(s.t, "every cluster to have what a full translation gives", func() (string, bool) {
		wanted, err := s.wanted()
		if err != nil {
			return err.Error(), false
		}
		given, err := s.given()
		if err != nil {
			return err.Error(), false
		}
		if len(wanted["east"]) == 0 {
			return "nothing is wanted", false
		}
		diff := cmp.Diff(wanted, given)
		return "(-wanted +given)\n" + diff, diff == ""
	})
	if s.server == nil {
		return
	}
	if denied := s.server.Denied(); len(denied) > 0 {
		s.t.Errorf("Redis refused to services what they need: %q", denied)
	}
}

// awaitRest waits until nothing moves any more, and returns where the keyspaces then stand.
func (s *system) awaitRest() (at map[keyspace.Name]keyspace.Position) {
	s.t.Helper()
	eventually(s.t, "the fleet to come to rest", func() (string, bool) {
		at = s.positions()
		<-time.After(6 * time.Second) // where a dashboard has to wait for its turn, it writes late
		diff := cmp.Diff(at, s.positions())
		return diff, diff == ""
	})
	return at
}

// recorder looks at the applied folders all the time and notes every object that goes away.
type recorder struct {
	stop func() []string
}

func (s *system) record() *recorder {
	var mu sync.Mutex
	var gone []string
	end, done := make(chan struct{}), make(chan struct{})
	look := func() map[string]string {
		all := map[string]string{}
		for _, cluster := range demo.Clusters() {
			for file, content := range s.applied(cluster) {
				all[cluster+"/"+file] = content
			}
		}
		return all
	}
	before := look()
	go func() {
		defer close(done)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			now := look()
			mu.Lock()
			for file := range before {
				// A folder that is listed while a file is replaced in it may leave the file out.
				if _, stays := now[file]; !stays && !s.isApplied(file) {
					gone = append(gone, file)
				}
			}
			mu.Unlock()
			before = now
		}
	}()
	return &recorder{stop: sync.OnceValue(func() []string {
		close(end)
		<-done
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(gone)
	})}
}

// isApplied reports whether a file, "cluster/name", stands among what is applied.
func (s *system) isApplied(file string) bool {
	_, err := os.Stat(filepath.Join(s.clusters, "applied", filepath.FromSlash(file)))
	return err == nil
}

func (r *recorder) nothingGone(t *testing.T) {
	t.Helper()
	if gone := r.stop(); len(gone) > 0 {
		t.Errorf("taken away, though no change explains it: %v", gone)
	}
}

// changed returns the files that differ.
func changed(before, after map[string]string) []string {
	files := map[string]bool{}
	for file := range before {
		if before[file] != after[file] {
			files[file] = true
		}
	}
	for file := range after {
		if before[file] != after[file] {
			files[file] = true
		}
	}
	return slices.Sorted(maps.Keys(files))
}

func valuesOf(m map[string]string) []string { return slices.Collect(maps.Values(m)) }
