package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// state is what clusters have, or should have: for each object, "cluster/kind/namespace/name".
type state map[string]object

// object is one object of one cluster.
type object struct {
	// digest is that of its spec.
	digest [sha256.Size]byte
	// parts are what a request may need of it: its hosts, routes, destinations and endpoints, and itself ("").
	parts map[string]bool
}

// moment is a state that the manifests asked for, from a time on.
type moment struct {
	since time.Time
	state state
}

// ask returns what a folder of manifests comes to, by a process of its own that knows nothing else.
func ask(folder string) (state, error) {
	run := exec.Command(filepath.Join(binaries, "meshweir"), "translate", "-f", folder)
	var out, notes bytes.Buffer
	run.Stdout, run.Stderr = &out, &notes
	var failed *exec.ExitError
	if err := run.Run(); err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1) { // 1: some manifests are not sound, as they should be
		return nil, fmt.Errorf("asking the oracle: %w: %s", err, notes.String())
	}
	wanted := state{}
	for document := range strings.SplitSeq(out.String(), "---\n") {
		if document == "" {
			continue
		}
		cluster, text, _ := strings.Cut(strings.TrimPrefix(document, "# cluster "), "\n")
		key, o, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading what the oracle says of %s: %w", cluster, err)
		}
		wanted[cluster+"/"+key] = o
	}
	return wanted, nil
}

// parse reads an object that the oracle printed or an agent wrote.
func parse(text string) (key string, o object, err error) {
	var content struct {
		Kind     string
		Metadata struct{ Namespace, Name string }
		Spec     json.RawMessage
	}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		return "", o, err
	}
	if content.Kind == "" {
		return "", o, errors.New("it has no kind")
	}
	key = content.Kind + "/" + content.Metadata.Namespace + "/" + content.Metadata.Name
	var spec struct {
		Hosts     []string
		Endpoints []struct{ Address string }
		Servers   []struct{ Hosts []string }
		HTTP      []struct {
			Name  string
			Route []struct{ Destination struct{ Host string } }
		}
	}
	if err := json.Unmarshal(content.Spec, &spec); err != nil {
		return "", o, fmt.Errorf("%s: %w", key, err)
	}
	o = object{digest: sha256.Sum256(content.Spec), parts: map[string]bool{"": true}}
	for _, host := range spec.Hosts {
		o.parts["host "+host] = true
	}
	for _, endpoint := range spec.Endpoints {
		o.parts["endpoint "+endpoint.Address] = true
	}
	for _, server := range spec.Servers {
		for _, host := range server.Hosts {
			o.parts["server of "+host] = true
		}
	}
	for _, route := range spec.HTTP {
		o.parts["route "+route.Name] = true
		for _, to := range route.Route {
			o.parts["route "+route.Name+" to "+to.Destination.Host] = true
		}
	}
	return key, o, nil
}

// differences are the objects that two states do not have in common, as text.
func differences(want, got state) (found []string) {
	all := maps.Clone(want)
	maps.Copy(all, got)
	for key := range all {
		wanted, isWanted := want[key]
		has, isThere := got[key]
		switch {
		case !isThere:
			found = append(found, "missing "+key)
		case !isWanted:
			found = append(found, "too many: "+key)
		case wanted.digest != has.digest:
			found = append(found, "other than wanted: "+key)
		}
	}
	return found
}
