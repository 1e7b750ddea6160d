package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Manager is the field manager of [Server.Apply].
const Manager = "test"

// Apply applies YAML documents in their order, as Admin and by server-side apply,
// taking over fields that others own; what they say of a status goes into the
// status. When it returns, the server serves the custom resources that they define.
func (s *Server) Apply(documents string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.apply(ctx, documents); err != nil {
		s.t.Fatalf("applying manifests to API server %q: %v", s.config.Name, err)
	}
}

// Remove deletes the objects that YAML documents name, as Admin. One that is not
// there is fine.
func (s *Server) Remove(documents string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := each(documents, func(m manifest) error {
		return s.change(ctx, m, "", Request{Method: http.MethodDelete}, http.StatusOK, http.StatusAccepted, http.StatusNotFound)
	})
	if err != nil {
		s.t.Fatalf("removing manifests from API server %q: %v", s.config.Name, err)
	}
}

func (s *Server) apply(ctx context.Context, documents string) error {
	var defined []manifest
	err := each(documents, func(m manifest) error {
		patch := Request{Method: http.MethodPatch, Type: "application/apply-patch+yaml", Body: m.json}
		err := s.change(ctx, m, "", patch, http.StatusOK, http.StatusCreated)
		switch {
		case m.Kind == "CustomResourceDefinition": // what some of them say of a status is the generator's
			defined = append(defined, m)
		case err == nil && m.Status != nil:
			err = s.change(ctx, m, "/status", patch, http.StatusOK)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, definition := range defined {
		for _, version := range definition.Spec.Versions {
			if !version.Served {
				continue
			}
			if _, err := s.resource(ctx, definition.Spec.Group+"/"+version.Name, definition.Spec.Names.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// manifest is one document.
type manifest struct {
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct { // of a CustomResourceDefinition
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Served bool
		}
	}
	Status map[string]any

	json []byte // all of it
}

func (m manifest) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s/%s", m.Kind, m.Metadata.Namespace, m.Metadata.Name), "/")
}

// each calls do for each of the documents, and stops at an error.
func each(documents string, do func(manifest) error) error {
	decoder := yaml.NewDecoder(strings.NewReader(documents))
	for {
		var content map[string]any
		err := decoder.Decode(&content)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading YAML: %w", err)
		case content == nil:
			continue
		}
		var m manifest
		if m.json, err = json.Marshal(content); err != nil {
			return fmt.Errorf("writing JSON of a document: %w", err)
		}
		_ = json.Unmarshal(m.json, &m) // other kinds have another spec; the server checks the rest
		if err := do(m); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
}

// change sends a request about the manifest's object, or a part of it.
func (s *Server) change(ctx context.Context, m manifest, part string, r Request, wanted ...int) error {
	kind, err := s.resource(ctx, m.APIVersion, m.Kind)
	if err != nil {
		return err
	}
	r.Path = kind.path(m.Metadata.Namespace) + "/" + url.PathEscape(m.Metadata.Name) + part
	if r.Method == http.MethodPatch {
		r.Path += "?force=true&fieldManager=" + Manager
	}
	answer, err := s.ask(ctx, r)
	if err != nil {
		return err
	}
	if slices.Contains(wanted, answer.Code) {
		return nil
	}
	return fmt.Errorf("%s %s: %d %s", r.Method, r.Path, answer.Code, answer.Body)
}

// resource is one kind that the server serves.
type resource struct {
	Name       string // plural
	Kind       string
	Namespaced bool

	version string // "v1", "apps/v1"
}

func (r resource) path(namespace string) string {
	path := "/apis/" + r.version
	if r.version == "v1" {
		path = "/api/v1"
	}
	if r.Namespaced {
		if namespace == "" {
			namespace = "default"
		}
		path += "/namespaces/" + url.PathEscape(namespace)
	}
	return path + "/" + r.Name
}

// resource finds how the server calls a kind, and waits for it while ctx lasts:
// what defines it may have been applied a moment ago.
func (s *Server) resource(ctx context.Context, version, kind string) (resource, error) {
	s.mu.Lock()
	found, known := s.served[version+" "+kind]
	s.mu.Unlock()
	if known {
		return found, nil
	}
	path := "/apis/" + version
	if version == "v1" {
		path = "/api/v1"
	}
	for {
		answer, err := s.ask(ctx, Request{Path: path})
		var list struct{ Resources []resource }
		if err == nil && answer.Code == http.StatusOK {
			err = json.Unmarshal(answer.Body, &list)
		}
		for _, r := range list.Resources {
			if r.Kind == kind && !strings.Contains(r.Name, "/") {
				r.version = version
				s.mu.Lock()
				s.served[version+" "+kind] = r
				s.mu.Unlock()
				return r, nil
			}
		}
		select {
		case <-ctx.Done():
			return resource{}, fmt.Errorf("waiting until %s %s is served: %d, %w", version, kind, answer.Code, errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
