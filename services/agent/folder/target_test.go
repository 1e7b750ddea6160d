package folder

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

func mustKey(t *testing.T, text string) resource.Key {
	t.Helper()
	key, err := resource.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func route(host string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "labels": map[string]any{resource.ManagedByLabel: resource.ManagedBy}},
		"spec":     map[string]any{"hosts": []any{host}},
	}}
}

const (
	routeKey  = "VirtualService.networking.istio.io/shop/web"
	routeFile = "applied/east/VirtualService.networking.istio.io_shop_web.yaml"
)

func TestAppliedObjectStandsInTheClusterAsOneOfItsOwn(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	x.run(f)
	x.must(f.Apply(t.Context(), route("a.example.com")))
	x.holds(routeKey, "a.example.com")
	managed, err := f.Managed(t.Context())
	x.must(err)
	if got := managed[mustKey(t, routeKey)]; got == nil || len(managed) != 1 {
		t.Errorf("got %v, want the route", managed)
	}
	x.mu.Lock()
	if strings.Contains(x.state[routeKey], "meshweir.io/file") {
		t.Error("an object of ours is marked with its file, and would be kept so")
	}
	x.mu.Unlock()
	x.must(f.Delete(t.Context(), mustKey(t, routeKey), keyspace.Position{}))
	x.lacks(routeKey)
	x.must(f.Delete(t.Context(), mustKey(t, routeKey), keyspace.Position{}))
	if _, err := os.Stat(x.path(routeFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no file", err)
	}
}

func TestWritesOnlyWhatDiffers(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	x.must(f.Apply(t.Context(), route("a.example.com")))
	old := time.Now().Add(-time.Hour)
	x.must(os.Chtimes(x.path(routeFile), old, old))
	x.must(f.Apply(t.Context(), route("a.example.com")))
	if info, err := os.Stat(x.path(routeFile)); err != nil || info.ModTime().After(old.Add(time.Minute)) {
		t.Errorf("got a file of %v, want the old one", info.ModTime())
	}
	x.must(f.Apply(t.Context(), route("b.example.com")))
	if got := x.read(routeFile); !strings.Contains(got, "b.example.com") {
		t.Errorf("got %s, want the new host", got)
	}
}

func TestLeavesAloneWhatIsNotOurs(t *testing.T) {
	unlabelled := "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\n"
	tests := []struct{ name, file, text string }{
		{"an applied file that lost its label", routeFile, unlabelled},
		{"a damaged file without the label", routeFile, "broken: ["},
		{"a manifest of the user's", "east/web.yaml", unlabelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newFixture(t, map[string]string{tt.file: tt.text})
			f := x.open()
			x.run(f)
			if err := f.Apply(t.Context(), route("a.example.com")); !errors.Is(err, cluster.ErrConflict) {
				t.Errorf("got %v from Apply, want a conflict", err)
			}
			x.must(f.Delete(t.Context(), mustKey(t, routeKey), keyspace.Position{}))
			if got := x.read(tt.file); got != tt.text {
				t.Errorf("got %q, want the file as it was", got)
			}
		})
	}
}

func TestDamagedFileOfOursIsReplaced(t *testing.T) {
	x := newFixture(t, map[string]string{routeFile: "labels:\n  app.kubernetes.io/managed-by: meshweir\n  broken: [\n"})
	f := x.open()
	if managed, err := f.Managed(t.Context()); err != nil || len(managed) > 0 {
		t.Errorf("got %v and %v, want nothing known", managed, err)
	}
	x.must(f.Apply(t.Context(), route("a.example.com")))
	if got := x.read(routeFile); !strings.Contains(got, "a.example.com") {
		t.Errorf("got %s, want the route", got)
	}
}

func TestFileOfOursThatWasRenamedIsReplaced(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	x.must(f.Apply(t.Context(), route("a.example.com")))
	x.must(os.Rename(x.path(routeFile), x.path("applied/east/mine.yaml")))
	_, err := f.Managed(t.Context())
	x.must(err)
	x.must(f.Apply(t.Context(), route("a.example.com")))
	if _, err := os.Stat(x.path("applied/east/mine.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want the object in one file only", err)
	}
	x.read(routeFile)
}

func TestWhatWasWrittenIsKnownUntilTheFileSaysOtherwise(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	written := route("a.example.com")
	x.must(f.Apply(t.Context(), written))
	standing := func() *unstructured.Unstructured {
		t.Helper()
		managed, err := f.Managed(t.Context())
		x.must(err)
		return managed[mustKey(t, routeKey)]
	}
	if got := standing(); got == nil || reflect.ValueOf(got.Object).Pointer() != reflect.ValueOf(written.Object).Pointer() {
		t.Errorf("got %v, want the very object that was written: its file need not be read as text", got)
	}
	x.run(f) // what the source reads it may change
	x.holds(routeKey, "a.example.com")
	if got := standing(); got == nil || !reflect.DeepEqual(got, route("a.example.com")) {
		t.Errorf("got %v, want the object as it was written", got)
	}
	x.write(routeFile, strings.Replace(x.read(routeFile), "a.example.com", "b.example.com", 1))
	if got := standing(); got == nil || reflect.DeepEqual(got, route("a.example.com")) {
		t.Errorf("got %v, want what the file says now", got)
	}
}

func TestFileNamesAreValidAndTellObjectsApart(t *testing.T) {
	long := strings.Repeat("n", 252)
	a := fileName(resource.Key{Group: "networking.istio.io", Kind: "VirtualService", Namespace: "shop", Name: long + "a"})
	b := fileName(resource.Key{Group: "networking.istio.io", Kind: "VirtualService", Namespace: "shop", Name: long + "b"})
	if a == b || len(a) > 250 {
		t.Errorf("got %q and %q", a, b)
	}
	x := newFixture(t, nil)
	f := x.open()
	object := route("a.example.com")
	object.SetName(long + "a")
	x.must(f.Apply(t.Context(), object))
	x.read("applied/east/" + a)
	evil := route("a.example.com")
	evil.SetName("../../../evil")
	if err := f.Apply(t.Context(), evil); err == nil {
		if _, err := os.Stat(x.path("evil.yaml")); err == nil {
			t.Error("a file was written outside of the folder")
		}
	}
}

func TestStatusNeedsItsObject(t *testing.T) {
	x := newFixture(t, map[string]string{"east/cart.yaml": service("cart", "one")})
	f := x.open()
	x.run(f)
	status := map[string]any{"conditions": []any{map[string]any{"type": "Accepted", "status": "True"}}}
	x.must(f.SetStatus(t.Context(), mustKey(t, cart), status))
	if err := f.SetStatus(t.Context(), mustKey(t, search), status); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("got %v for an object that does not exist, want ErrGone", err)
	}
	statuses, err := f.Statuses(t.Context())
	x.must(err)
	if got := statuses[mustKey(t, cart)]; got == nil || len(statuses) != 1 {
		t.Errorf("got %v, want the status of one object", statuses)
	}
	if got := x.read("applied/east/status/Service_shop_cart.yaml"); !strings.Contains(got, "apiVersion: v1") || !strings.Contains(got, "Accepted") {
		t.Errorf("got %s", got)
	}
	x.must(f.SetStatus(t.Context(), mustKey(t, cart), nil))
	if statuses, err = f.Statuses(t.Context()); err != nil || len(statuses) > 0 {
		t.Errorf("got %v and %v, want no status", statuses, err)
	}
}
