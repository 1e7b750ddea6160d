// Package definitions puts the CustomResourceDefinitions that are shipped, and
// what they refuse, to a real API server.
package definitions

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/deploy/k8s/crds"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

func TestARealAPIServerRefusesTheSame(t *testing.T) {
	data, err := os.ReadFile("../../deploy/k8s/crds/testdata/refused.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var refused []struct {
		Name   string         `json:"name"`
		Want   []string       `json:"want"`
		Object map[string]any `json:"object"`
	}
	if err := yaml.UnmarshalStrict(data, &refused); err != nil || len(refused) == 0 {
		t.Fatalf("got %d objects and %v", len(refused), err)
	}
	server := apiserver.Start(t, apiserver.Config{})
	install(t, server)
	server.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: b}}")
	for _, tt := range refused {
		t.Run(tt.Name, func(t *testing.T) {
			code, message := create(t, server, tt.Object)
			if code != http.StatusUnprocessableEntity && code != http.StatusBadRequest {
				t.Fatalf("got %d %s, want it to be refused", code, message)
			}
			want := tt.Want
			if code == http.StatusBadRequest { // an unknown field is all that the server looks at
				want = want[:1]
			}
			for _, w := range want {
				if !strings.Contains(message, w) {
					t.Errorf("got %s\nwant %s", message, w)
				}
			}
		})
	}
	t.Run("and takes what the demo has", func(t *testing.T) {
		for _, namespace := range []string{"catalog", "reviews", "search"} {
			server.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + namespace + "}}")
		}
		for _, document := range ours(t) {
			server.Apply(document)
		}
	})
}

// install applies the definitions.
func install(t *testing.T, server *apiserver.Server) {
	t.Helper()
	names, err := fs.Glob(crds.Files(), "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("got %d definitions and %v", len(names), err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(crds.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		server.Apply(string(data))
	}
}

func create(t *testing.T, server *apiserver.Server, object map[string]any) (code int, message string) {
	t.Helper()
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path := "/apis/meshweir.io/v1alpha1/workspaces"
	switch object["kind"] {
	case "GlobalService":
		path = "/apis/meshweir.io/v1alpha1/namespaces/b/globalservices"
	case "RateLimitPolicy":
		path = "/apis/meshweir.io/v1alpha1/namespaces/b/ratelimitpolicies"
	}
	answer := server.Do(apiserver.Request{Method: http.MethodPost, Path: path + "?fieldValidation=Strict", Body: body})
	var status struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer.Body, &status); err != nil {
		t.Fatalf("got %s, which is no status: %v", answer.Body, err)
	}
	return answer.Code, status.Message
}

// ours returns the demo's objects of meshweir.io, one document each.
func ours(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(demo.Manifests(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(demo.Manifests(), name)
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			if strings.Contains("\n"+document, "\napiVersion: meshweir.io/") {
				found = append(found, document)
			}
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("found %d objects, and %v", len(found), err)
	}
	return found
}
