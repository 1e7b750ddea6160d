package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

const lamps = "/apis/example.test/v1/namespaces/default/lamps"

// definition makes Lamps, which have one to three colours.
const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              colours: {type: array, maxItems: 3, items: {type: string}}
            x-kubernetes-validations:
            - {rule: "!self.colours.exists(c, c == 'black')", message: a lamp is not black}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

const lamp = `
apiVersion: example.test/v1
kind: Lamp
metadata: {name: desk}
spec: {colours: [red, green]}
`

// TestServer is one test of many things: a server takes seconds to start.
func TestServer(t *testing.T) {
	t.Parallel()
	server := apiserver.Start(t, apiserver.Config{Users: map[string][]string{"nobody": nil, "reader": {"readers"}}})
	server.Apply(definition + "---" + lamp)

	t.Run("a rule of the definition is kept", func(t *testing.T) {
		answer := server.Do(apiserver.Request{
			Method: http.MethodPost, Path: lamps,
			Body: []byte(`{"apiVersion":"example.test/v1","kind":"Lamp","metadata":{"name":"odd"},"spec":{"colours":["black"]}}`),
		})
		if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(string(answer.Body), "a lamp is not black") {
			t.Errorf("got %d %s, want 422 and the rule's message", answer.Code, answer.Body)
		}
	})

	t.Run("a user has the rights of its groups, and no others", func(t *testing.T) {
		server.Apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: readers}
rules: [{apiGroups: [example.test], resources: [lamps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: readers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers}]
`)
		awaitCode(t, server, apiserver.Request{User: "reader", Path: lamps}, http.StatusOK)
		for user, request := range map[string]apiserver.Request{
			"nobody": {Path: lamps},
			"reader": {Path: lamps + "/desk", Method: http.MethodDelete},
		} {
			request.User = user
			if answer := server.Do(request); answer.Code != http.StatusForbidden {
				t.Errorf("%s: got %d %s, want 403", user, answer.Code, answer.Body)
			}
		}
		refused := server.Refused().By("reader")
		if len(refused) != 1 || refused[0].Name != "desk" || refused[0].Verb != "delete" || refused[0].Code != http.StatusForbidden {
			t.Errorf("what was refused: got %v, want reader's delete", refused)
		}
	})

	t.Run("a watch tells what changes", func(t *testing.T) {
		changes := watch(t, server, lamps)
		next(t, changes, "ADDED", "desk")
		server.Apply(strings.Replace(lamp, "desk", "floor", 1))
		next(t, changes, "ADDED", "floor")
		server.Apply(strings.Replace(strings.Replace(lamp, "desk", "floor", 1), "green", "blue", 1))
		next(t, changes, "MODIFIED", "floor")
		server.Remove(strings.Replace(lamp, "desk", "floor", 1))
		next(t, changes, "DELETED", "floor")
	})

	t.Run("every write is written down", func(t *testing.T) {
		began := len(server.Writes())
		small := strings.Replace(lamp, "desk", "small", 1)
		server.Apply(small)
		server.Apply(strings.Replace(small, "red, ", "", 1))
		server.Remove(small)
		server.Remove(small) // not there any more: refused
		writes := server.Writes()[began:].By(apiserver.Admin).Of("example.test", "lamps")
		if len(writes) != 3 {
			t.Fatalf("got\n%s\nwant that it was created, changed and deleted", writes)
		}
		if w := writes[0]; w.Before != nil || w.Manager != apiserver.Manager || w.Code != http.StatusCreated || !strings.Contains(string(w.After), `"red"`) {
			t.Errorf("created: got %s, before: %s, after: %s", w, w.Before, w.After)
		}
		shrunk := writes.Shrinks()
		if len(shrunk) != 1 || fmt.Sprint(shrunk[0].Lost()) != "[spec.colours[0]]" {
			t.Errorf("shrunk: got\n%s\nwant the one that lost its first colour", shrunk)
		}
		deleted := writes.Deletes()
		if len(deleted) != 1 || deleted[0].Name != "small" || deleted[0].Namespace != "default" || strings.Contains(string(deleted[0].Before), `"red"`) {
			t.Errorf("deleted: got\n%s\nwant one, of what was stored at last", deleted)
		}
	})

	t.Run("a status is applied too", func(t *testing.T) {
		server.Apply(lamp + "status: {lit: true}\n")
		if answer := server.Do(apiserver.Request{Path: lamps + "/desk"}); !strings.Contains(string(answer.Body), `"lit":true`) {
			t.Errorf("got %s, want the status in it", answer.Body)
		}
	})

	t.Run("no body of a Secret is written down", func(t *testing.T) {
		server.Apply("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {word: sesame}}")
		writes := server.Writes().Of("", "secrets")
		if len(writes) != 1 || writes[0].Sent != nil || writes[0].After != nil {
			t.Errorf("got %d writes, %+v, want one without bodies", len(writes), writes)
		}
	})

	t.Run("what was stored outlives the API server", func(t *testing.T) {
		writes := len(server.Writes())
		server.Restart()
		awaitCode(t, server, apiserver.Request{Path: lamps + "/desk"}, http.StatusOK)
		server.Kill()
		if got := len(server.Writes()); got < writes {
			t.Errorf("of a server that is down: got %d writes, want the %d from before at least", got, writes)
		}
		server.Start()
		awaitCode(t, server, apiserver.Request{Path: lamps + "/desk"}, http.StatusOK)
		server.Apply(strings.Replace(lamp, "green", "white", 1))
	})

	t.Run("a backup brings back what was", func(t *testing.T) {
		server.Apply(strings.Replace(lamp, "red, green", "blue", 1))
		backup := server.Backup()
		server.Apply(strings.Replace(lamp, "red, green", "red, green, blue", 1))
		server.Restore(backup)
		began := len(server.Writes())
		server.Apply(strings.Replace(lamp, "red, green", "white", 1)) // gets a version that there was
		writes := server.Writes()[began:].Of("example.test", "lamps")
		if len(writes) != 1 || !strings.Contains(string(writes[0].Before), `["blue"]`) {
			t.Errorf("got\n%s\nwant one write, of what the backup held", writes)
		}
	})

	t.Run("a paused server does not answer", func(t *testing.T) {
		server.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+lamps, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := server.Client(apiserver.Admin).Do(request); err == nil {
			response.Body.Close()
			t.Errorf("a paused server answered %d", response.StatusCode)
		}
		server.Continue()
		awaitCode(t, server, apiserver.Request{Path: lamps}, http.StatusOK)
	})
}

func TestControllersMakePods(t *testing.T) {
	t.Parallel()
	pipelinetest.Require(t, "kube-controller-manager")
	kubectl := pipelinetest.Require(t, "kubectl")
	server := apiserver.Start(t, apiserver.Config{Name: "east", Controllers: true})
	cmd := exec.CommandContext(t.Context(), kubectl, "--kubeconfig", server.Kubeconfig(apiserver.Admin), "create", "deployment", "web", "--image=web", "--replicas=2")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // kubectl caches what it discovers
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	await(t, "two Pods", func() bool {
		var pods struct{ Items []json.RawMessage }
		if err := json.Unmarshal(server.Do(apiserver.Request{Path: "/api/v1/namespaces/default/pods"}).Body, &pods); err != nil {
			t.Fatal(err)
		}
		return len(pods.Items) == 2
	})
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// awaitCode asks until the server answers with a status: rights and definitions
// reach it a moment after they were stored.
func awaitCode(t *testing.T, server *apiserver.Server, r apiserver.Request, code int) {
	t.Helper()
	await(t, "the answer to "+r.Path, func() bool { return server.Do(r).Code == code })
}

// change is one event of a watch.
type change struct {
	Type   string
	Object struct{ Metadata struct{ Name string } }
}

// watch follows a list until the test ends.
func watch(t *testing.T, server *apiserver.Server, path string) <-chan change {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client(apiserver.Admin).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	changes := make(chan change, 100)
	go func() {
		defer close(changes)
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			var c change
			if json.Unmarshal(lines.Bytes(), &c) == nil {
				changes <- c
			}
		}
	}()
	return changes
}

func next(t *testing.T, changes <-chan change, kind, name string) {
	t.Helper()
	select {
	case c := <-changes:
		if c.Type != kind || c.Object.Metadata.Name != name {
			t.Errorf("the watch told: %s %s, want %s %s", c.Type, c.Object.Metadata.Name, kind, name)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the watch did not tell of %s %s", kind, name)
	}
}
