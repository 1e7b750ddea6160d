package kubernetes

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metadatafake "k8s.io/client-go/metadata/fake"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// Positions of outputs, from old to new.
const (
	first  = "1700000000000-aaaaaaaa/1"
	second = "1700000000000-aaaaaaaa/2"
)

const webKey = "VirtualService.networking.istio.io/shop/web"

func at(t *testing.T, text string) keyspace.Position {
	t.Helper()
	position, err := keyspace.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return position
}

// managed returns what the cluster says that Meshweir wrote, under a key.
func (r *replica) managed(key string) *unstructured.Unstructured {
	r.t.Helper()
	objects, err := r.cluster.Managed(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return objects[mustKey(r.t, key)]
}

// hosts returns the hosts of the live VirtualService "web".
func hosts(t *testing.T, server *apiserver.Server) string {
	t.Helper()
	object, found := live(t, server, virtualServices+"/web")
	if !found {
		return ""
	}
	got, _, _ := unstructured.NestedStringSlice(object, "spec", "hosts")
	return strings.Join(got, ",")
}

// byHand is what a user writes about the VirtualService "web", with kubectl's manager.
func byHand(spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: " + spec + "\n"
}

func TestWritesBackWhatIsOursAndNothingElse(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Apply(everything)
	r := open(t, server, nil).start().sync()
	apply := func(t *testing.T, object *unstructured.Unstructured) {
		t.Helper()
		if err := r.cluster.Apply(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(t *testing.T) {
		t.Helper()
		if err := r.cluster.Delete(t.Context(), mustKey(t, webKey), at(t, second)); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("what was applied is seen at once, and the same once it came back", func(t *testing.T) {
		want := virtualService("web", "a.example.com", first)
		for range 20 { // each time, the reflector is a little behind
			apply(t, want)
			if diff := cmp.Diff(want, r.managed(webKey)); diff != "" {
				t.Fatalf("right after it was applied (-want +got):\n%s", diff)
			}
			gone(t)
			if got := r.managed(webKey); got != nil {
				t.Fatalf("got %v right after it was deleted, want nothing", got)
			}
		}
		apply(t, want)
		r.has(webKey, "a.example.com")
		again := open(t, server, func(c *Config) { c.Namespace = "shop" }).start().sync()
		if diff := cmp.Diff(want, again.managed(webKey)); diff != "" {
			t.Errorf("as an agent sees it that did not apply it (-want +got):\n%s", diff)
		}
		again.stop()
	})

	t.Run("a field that is wanted no more goes", func(t *testing.T) {
		want := virtualService("web", "a.example.com", second)
		unstructured.RemoveNestedField(want.Object, "spec", "http")
		apply(t, want)
		object, _ := live(t, server, virtualServices+"/web")
		if _, found, _ := unstructured.NestedSlice(object, "spec", "http"); found {
			t.Error("spec.http is still there")
		}
	})

	t.Run("an edit by hand shows, and an added field is its owner's", func(t *testing.T) {
		server.Apply(byHand("{hosts: [evil.example.com], exportTo: [.]}"))
		r.eventually("the edit", func() bool {
			return r.managed(webKey) != nil && !strings.Contains(fmt.Sprint(r.managed(webKey)), "a.example.com")
		})
		apply(t, virtualService("web", "a.example.com", second))
		if got := hosts(t, server); got != "a.example.com" {
			t.Errorf("got the hosts %s, want what was applied", got)
		}
		object, _ := live(t, server, virtualServices+"/web")
		if got, _, _ := unstructured.NestedStringSlice(object, "spec", "exportTo"); len(got) != 1 {
			t.Errorf("got exportTo %v, want what the user added", got)
		}
	})

	t.Run("nothing older is put in the place of something newer", func(t *testing.T) {
		if err := r.cluster.Apply(t.Context(), virtualService("web", "old.example.com", first)); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("got %v, want a refusal", err)
		}
		if got := hosts(t, server); got != "a.example.com" {
			t.Errorf("got the hosts %s, want the newer ones", got)
		}
	})

	t.Run("nothing is taken away that a newer output wanted", func(t *testing.T) {
		if err := r.cluster.Delete(t.Context(), mustKey(t, webKey), at(t, first)); !errors.Is(err, errNewer) {
			t.Errorf("got %v, want a refusal", err)
		}
		if got := hosts(t, server); got != "a.example.com" {
			t.Errorf("got the hosts %s, want the object untouched", got)
		}
	})

	t.Run("who takes the label off takes the object over", func(t *testing.T) {
		server.Do(apiserver.Request{
			Method: "PATCH", Path: virtualServices + "/web", Type: "application/merge-patch+json",
			Body: []byte(`{"metadata":{"labels":{"` + resource.ManagedByLabel + `":null}}}`),
		})
		// The reflector may not have seen it yet: the API server has the last word.
		err := r.cluster.Apply(t.Context(), virtualService("web", "b.example.com", second))
		if !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("applying: got %v, want ErrConflict", err)
		}
		if err := r.cluster.Delete(t.Context(), mustKey(t, webKey), at(t, second)); !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("deleting: got %v, want ErrConflict", err)
		}
		if got := hosts(t, server); got != "a.example.com" {
			t.Errorf("got the hosts %s, want the object untouched", got)
		}
		r.eventually("the loss of the object", func() bool { return r.managed(webKey) == nil })
	})

	t.Run("an object that a user made is left alone, also one with our label", func(t *testing.T) {
		server.Remove(byHand("{}"))
		r.lacks(webKey)
		server.Apply(strings.Replace(byHand("{hosts: [mine.example.com]}"), "namespace: shop", "namespace: shop, labels: {"+resource.ManagedByLabel+": "+resource.ManagedBy+"}", 1))
		if err := r.cluster.Apply(t.Context(), virtualService("web", "a.example.com", second)); !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("applying before it was seen: got %v, want ErrConflict", err)
		}
		r.has(webKey, "mine.example.com")
		if got := r.managed(webKey); got != nil {
			t.Errorf("got %v as ours, want nothing", got)
		}
		if err := r.cluster.Apply(t.Context(), virtualService("web", "a.example.com", second)); !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("applying: got %v, want ErrConflict", err)
		}
		if got := hosts(t, server); got != "mine.example.com" {
			t.Errorf("got the hosts %s, want the user's", got)
		}
		server.Remove(byHand("{}"))
		r.lacks(webKey)
	})

	t.Run("what somebody made anew under the name is not deleted", func(t *testing.T) {
		apply(t, virtualService("web", "a.example.com", second))
		server.Remove(byHand("{}"))
		server.Apply(byHand("{hosts: [mine.example.com]}"))
		err := r.cluster.Delete(t.Context(), mustKey(t, webKey), at(t, second))
		if err != nil && !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("got %v, want nil or ErrConflict", err)
		}
		if got := hosts(t, server); got != "mine.example.com" {
			t.Errorf("got the hosts %s, want the user's object", got)
		}
		server.Remove(byHand("{}"))
		r.lacks(webKey)
		if deletes := server.Deletes().By(agentUser).Of("networking.istio.io", "virtualservices"); len(deletes) != 20 {
			t.Errorf("got %d deletes by the agent, want the 20 of the first part:\n%s", len(deletes), deletes)
		}
	})

	t.Run("what the API server refuses says why", func(t *testing.T) {
		bad := virtualService("web", "a.example.com", second)
		bad.Object["spec"].(map[string]any)["nonsense"] = "x"
		if err := r.cluster.Apply(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("got %v, want the field's name", err)
		}
		unknown := virtualService("web", "a.example.com", second)
		unknown.SetKind("Nonsense")
		if err := r.cluster.Apply(t.Context(), unknown); err == nil || !strings.Contains(err.Error(), "Nonsense.networking.istio.io") {
			t.Errorf("got %v, want the kind's name", err)
		}
	})

	t.Run("how far the output was applied is kept in the cluster", func(t *testing.T) {
		want, err := keyspace.ParsePosition(second)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.cluster.LastApplied("output"); got != (keyspace.Position{}) {
			t.Fatalf("got %s before anything was applied, want nothing", got)
		}
		for _, kind := range []string{"output", "status"} { // the second is an update
			if err := r.cluster.SetLastApplied(kind, want); err != nil {
				t.Fatal(err)
			}
		}
		r.stop()
		again := open(t, server, nil).start().sync()
		if got := again.cluster.LastApplied("output"); got != want {
			t.Errorf("got %s after a restart, want %s", got, want)
		}
		// Somebody touches the ConfigMap, or takes it away: it is written all the same.
		for i, request := range []apiserver.Request{
			{Method: "PATCH", Type: "application/merge-patch+json", Body: []byte(`{"metadata":{"labels":{"a":"b"}}}`)}, {Method: "DELETE"},
		} {
			request.Path = "/api/v1/namespaces/meshweir/configmaps/" + Name
			if answer := server.Do(request); answer.Code != 200 {
				t.Fatalf("got %d %s", answer.Code, answer.Body)
			}
			later := want
			later.Revision += uint64(i) + 10
			for _, kind := range []string{"output", "status"} {
				if err := again.cluster.SetLastApplied(kind, later); err != nil {
					t.Error(err)
				}
			}
		}
		want.Revision += 11
		// One that led before, and does not know that it does not lead any more.
		later := want
		later.Revision++
		if err := again.cluster.SetLastApplied("output", later); err != nil {
			t.Fatal(err)
		}
		if err := r.cluster.SetLastApplied("output", want); err == nil {
			later.Revision += 5
			if err = r.cluster.SetLastApplied("output", later); err == nil {
				t.Error("an agent that does not lead any more set how far the output was applied")
			}
		}
	})
}

// mirrorOf returns a mirror of one kind, that of an object, as of version 9.
func mirrorOf(object *unstructured.Unstructured) (*mirror, *kind) {
	m := (&Cluster{}).newMirror()
	k := &kind{mirror: m, served: served{kind: object.GroupVersionKind()}, objects: map[name]seen{}, version: "9"}
	m.kinds[k.served.kind.GroupKind()] = k
	return m, k
}

func TestWhatWasDeletedBeforeItWasSeenIsGone(t *testing.T) {
	t.Parallel()
	object := virtualService("web", "a.example.com", first)
	m, k := mirrorOf(object)
	key := mustKey(t, webKey)
	m.wrote(key, written{uid: "u", version: "10", object: object})
	m.wrote(key, written{uid: "u", version: "10", deleted: true})
	if _, exists := m.look(k, key); exists {
		t.Error("an object is there that was applied and deleted before the reflector brought it")
	}
	m.forget(key, "11") // the reflector brings its end
	m.wrote(key, written{uid: "u", version: "10", deleted: true})
	if len(m.applied) != 0 {
		t.Errorf("got %v remembered of an object whose end was seen, want nothing", m.applied)
	}
}

func TestWhatOthersDeletedBeforeOurWriteWasAnsweredIsGone(t *testing.T) {
	t.Parallel()
	object := virtualService("web", "a.example.com", first)
	m, k := mirrorOf(object)
	seen := &reading{name: name{"shop", "web"}, uid: "u", version: "10", standing: &standing{uid: "u", version: "10", object: object}}
	gone := *seen
	gone.version = "11"
	for _, err := range []error{k.Add(seen), k.Delete(&gone)} { // before the answer that says 10
		if err != nil {
			t.Fatal(err)
		}
	}
	m.wrote(mustKey(t, webKey), written{uid: "u", version: "10", object: object})
	if _, exists := m.look(k, mustKey(t, webKey)); exists {
		t.Error("an object is taken for standing whose end was seen: it would never be applied again")
	}
}

func TestWhatWeWroteIsGoneWithItsKind(t *testing.T) {
	t.Parallel()
	object := virtualService("web", "a.example.com", first)
	m, k := mirrorOf(object)
	k.stop = func() {}
	k.served.resource = object.GroupVersionKind().GroupVersion().WithResource("virtualservices")
	m.definitions["virtualservices.networking.istio.io"] = true // and nobody has it any more
	m.wrote(mustKey(t, webKey), written{uid: "u", version: "10", object: object})
	c := &Cluster{log: slog.New(slog.DiscardHandler), metadata: metadatafake.NewSimpleMetadataClient(metadatafake.NewTestScheme())}
	if err := c.vanish(t.Context(), m, k); err != nil {
		t.Fatal(err)
	}
	if len(m.kinds)+len(m.applied) != 0 {
		t.Errorf("got %d kinds and %v remembered, want nothing", len(m.kinds), m.applied)
	}
}
