package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/manifest"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is the folder of the cluster "east", and what was delivered of it.
type fixture struct {
	t   *testing.T
	dir string

	mu     sync.Mutex // guards what follows
	state  map[string]string
	synced bool
	gone   map[string]int
	outage error
}

func newFixture(t *testing.T, files map[string]string) *fixture {
	t.Helper()
	x := &fixture{t: t, dir: t.TempDir(), state: map[string]string{}, gone: map[string]int{}}
	x.mkdir("east")
	for name, text := range files {
		x.write(name, text)
	}
	return x
}

func (x *fixture) path(name string) string { return filepath.Join(x.dir, filepath.FromSlash(name)) }

func (x *fixture) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *fixture) mkdir(name string) { x.t.Helper(); x.must(os.MkdirAll(x.path(name), 0o755)) }

func (x *fixture) write(name, text string) {
	x.t.Helper()
	x.mkdir(filepath.Dir(name))
	x.must(os.WriteFile(x.path(name), []byte(text), 0o644))
}

func (x *fixture) read(name string) string {
	x.t.Helper()
	data, err := os.ReadFile(x.path(name))
	x.must(err)
	return string(data)
}

func (x *fixture) open() *Folder {
	x.t.Helper()
	f, err := Open(slog.New(slog.DiscardHandler), Config{Dir: x.dir, Cluster: "east", Quiet: 10 * time.Millisecond, Rescan: time.Minute})
	x.must(err)
	x.t.Cleanup(f.Close)
	return f
}

// run delivers into the fixture until the test ends.
func (x *fixture) run(f *Folder, recalled ...snapshot.Object) {
	x.t.Helper()
	x.t.Cleanup(x.runUntil(f, recalled...))
	x.eventually("the first delivery", func() bool { return x.synced })
}

// runUntil delivers into the fixture until stop is called.
func (x *fixture) runUntil(f *Folder, recalled ...snapshot.Object) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	recall := func(context.Context, func(resource.Key, string) bool) ([]snapshot.Object, error) {
		return recalled, nil
	}
	go func() { ended <- f.Run(ctx, recall, x.take) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			x.t.Errorf("got %v from Run, want nil", err)
		}
	}
}

func (x *fixture) take(d snapshot.Delivery) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, key := range d.Deleted {
		delete(x.state, key.String())
		x.gone[key.String()]++
	}
	for _, object := range d.Set {
		x.state[object.Key.String()] = string(object.Value)
	}
	x.synced = x.synced || d.Synced
	x.outage = d.Outage
}

func (x *fixture) eventually(what string, holds func() bool) {
	x.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		x.mu.Lock()
		ok := holds()
		keys := slices.Sorted(maps.Keys(x.state))
		x.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("waited in vain for %s; delivered are %v", what, keys)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (x *fixture) has(keys ...string) {
	x.t.Helper()
	x.eventually(strings.Join(keys, " "), func() bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return x.state[key] == "" })
	})
}

func (x *fixture) lacks(key string) {
	x.t.Helper()
	x.eventually("the end of "+key, func() bool { return x.state[key] == "" })
}

func (x *fixture) holds(key, text string) {
	x.t.Helper()
	x.eventually(key+" with "+text, func() bool { return strings.Contains(x.state[key], text) })
}

// problem waits for a problem whose message holds text.
func (x *fixture) problem(text string) internalv1.ManifestProblemSpec {
	x.t.Helper()
	var found internalv1.ManifestProblemSpec
	x.eventually("a problem with "+text, func() bool {
		for key, value := range x.state {
			var p internalv1.ManifestProblem
			if strings.HasPrefix(key, "ManifestProblem.") && json.Unmarshal([]byte(value), &p) == nil && strings.Contains(p.Spec.Message, text) {
				found = p.Spec
				return true
			}
		}
		return false
	})
	return found
}

func (x *fixture) noProblems() {
	x.t.Helper()
	x.eventually("the end of all problems", func() bool {
		for key := range x.state {
			if strings.HasPrefix(key, "ManifestProblem.") {
				return false
			}
		}
		return true
	})
}

func service(name, selects string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: shop}\nspec: {selector: {app: " + selects + "}}\n"
}

const (
	cart   = "Service/shop/cart"
	search = "Service/shop/search"
)

func TestDeliversTheFolderAndEveryChange(t *testing.T) {
	x := newFixture(t, map[string]string{"east/cart.yaml": service("cart", "one"), "east/notes.txt": "no manifest", "east/.hidden.yaml": "{"})
	x.run(x.open())
	x.has(cart)
	x.holds(cart, `"meshweir.io/file":"cart.yaml"`)

	x.write("east/cart.yaml", service("cart", "two"))
	x.holds(cart, "two")

	x.write("east/.cart.yaml.swp", service("cart", "three")) // editors write beside, and rename
	x.must(os.Rename(x.path("east/.cart.yaml.swp"), x.path("east/cart.yaml")))
	x.holds(cart, "three")

	x.write("east/new/deep/search.json", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"search","namespace":"shop"}}`)
	x.has(search)
	x.write("east/new/deep/more.yml", service("more", "x")) // the new folder is watched, too
	x.has("Service/shop/more")

	x.must(os.RemoveAll(x.path("east/new")))
	x.lacks(search)
	x.must(os.Remove(x.path("east/cart.yaml")))
	x.lacks(cart)
	x.noProblems()
}

func TestFollowsLinksThatAreSwapped(t *testing.T) {
	t.Run("files of a mounted ConfigMap", func(t *testing.T) {
		x := newFixture(t, map[string]string{"east/..one/cart.yaml": service("cart", "one"), "east/..two/cart.yaml": service("cart", "two")})
		x.must(os.Symlink("..one", x.path("east/..data")))
		x.must(os.Symlink("..data/cart.yaml", x.path("east/cart.yaml")))
		x.run(x.open())
		x.holds(cart, "one")
		x.must(os.Symlink("..two", x.path("east/..tmp")))
		x.must(os.Rename(x.path("east/..tmp"), x.path("east/..data")))
		x.holds(cart, "two")
		x.noProblems()
	})
	t.Run("the folder of a git-sync", func(t *testing.T) {
		x := newFixture(t, map[string]string{".trees/1/cart.yaml": service("cart", "one"), ".trees/2/cart.yaml": service("cart", "two")})
		x.must(os.Remove(x.path("east")))
		old := time.Now().Add(-time.Hour) // nothing is looked at again for being fresh
		for _, name := range []string{".trees/1/cart.yaml", ".trees/2/cart.yaml"} {
			x.must(os.Chtimes(x.path(name), old, old))
		}
		x.must(os.Symlink(".trees/1", x.path("east")))
		x.run(x.open())
		x.holds(cart, "one")
		x.must(os.Symlink(".trees/2", x.path("tmp")))
		x.must(os.Rename(x.path("tmp"), x.path("east")))
		x.holds(cart, "two")
		x.write(".trees/2/cart.yaml", service("cart", "three")) // the new tree is watched, too
		x.holds(cart, "three")
	})
}

func TestRefusesWhatLeadsOutOfTheFolder(t *testing.T) {
	x := newFixture(t, map[string]string{"outside/cart.yaml": service("cart", "x"), "east/search.yaml": service("search", "x")})
	x.must(os.Symlink("../outside/cart.yaml", x.path("east/relative.yaml")))
	x.must(os.Symlink(x.path("outside/cart.yaml"), x.path("east/absolute.yaml")))
	x.must(os.Symlink("../outside", x.path("east/folder")))
	x.run(x.open())
	x.has(search)
	if p := x.problem("cannot be followed within the cluster's folder"); p.File == "" {
		t.Errorf("got %+v, want the file", p)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state[cart] != "" {
		t.Error("got an object from outside of the folder")
	}
	if len(x.state) != 4 {
		t.Errorf("got %d objects, want one Service and three problems", len(x.state))
	}
}

func TestDamagedManifestKeepsItsLastGoodState(t *testing.T) {
	x := newFixture(t, map[string]string{"east/shop.yaml": service("cart", "one") + "---\n" + service("search", "one")})
	x.run(x.open())
	x.has(cart, search)

	x.write("east/shop.yaml", service("cart", "two")+"---\napiVersion: v1\nkind: Service\n metadata: {name: search}\n")
	got := x.problem("cannot be read")
	want := internalv1.ManifestProblemSpec{File: "shop.yaml", Line: 8, Document: 1, Message: got.Message, LastGood: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	x.holds(cart, "two") // the good document counts all the same
	x.has(search)

	x.write("east/shop.yaml", service("cart", "two"))
	x.lacks(search)
	x.noProblems()
}

func TestObjectThatMovesOutOfADamagedFileCountsWhereItIs(t *testing.T) {
	x := newFixture(t, map[string]string{"east/a.yaml": service("cart", "one")})
	x.run(x.open())
	x.has(cart)
	x.write("east/a.yaml", "broken: [")
	x.problem("cannot be read")
	x.write("east/b.yaml", service("cart", "two"))
	x.holds(cart, "two")
}

func TestFileDamagedAtTheStartHoldsWhatTheSnapshotHad(t *testing.T) {
	x := newFixture(t, map[string]string{"east/a.yaml": service("cart", "one"), "east/b.yaml": service("search", "now")})
	first := x.open()
	x.run(first)
	x.has(cart, search)
	x.mu.Lock()
	kept := []snapshot.Object{{Key: mustKey(t, cart), Value: []byte(x.state[cart])}}
	x.mu.Unlock()

	y := newFixture(t, map[string]string{"east/a.yaml": "broken: [", "east/b.yaml": service("search", "now")})
	y.run(y.open(), kept...)
	y.has(cart, search)
	if p := y.problem("cannot be read"); !p.LastGood {
		t.Errorf("got %+v, want the last good state in force", p)
	}
	y.write("east/a.yaml", service("cart", "mended"))
	y.holds(cart, "mended")
	y.noProblems()
}

func TestFileDamagedAtTheStartHoldsItsLastGoodStateWithoutRedis(t *testing.T) {
	const copies = "applied/east/.last-good/*"
	x := newFixture(t, map[string]string{"east/a.yaml": service("cart", "one") + "---\n" + service("search", "one"), "east/new.yaml": "broken: ["})
	f := x.open()
	stop := x.runUntil(f)
	x.has(cart, search)
	x.write("east/a.yaml", service("search", "one")+"---\nbroken: [")
	x.eventually("the copy", func() bool { found, _ := filepath.Glob(x.path(copies)); return len(found) == 1 })
	stop()
	f.Close()

	y := &fixture{t: t, dir: x.dir, state: map[string]string{}, gone: map[string]int{}}
	y.run(y.open())
	y.has(cart, search)
	if p := y.problem("cannot be read"); p.File == "a.yaml" && (!p.LastGood || strings.Contains(p.Message, "nothing is known")) {
		t.Errorf("got %+v, want the last good state in force", p)
	}
	if p := y.problem("nothing is known of its earlier content"); p.File != "new.yaml" {
		t.Errorf("got %+v, want the file that was never good", p)
	}
	y.write("east/a.yaml", service("cart", "mended"))
	y.holds(cart, "mended")
	y.eventually("the end of the copy", func() bool { found, _ := filepath.Glob(y.path(copies)); return len(found) == 0 })
}

func TestMisspeltFieldKeepsTheLastGoodState(t *testing.T) {
	const key = "HTTPRoute.gateway.networking.k8s.io/shop/cart"
	route := func(field string) string {
		return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: cart, namespace: shop}\nspec:\n  parentRefs: [{name: gw}]\n  " + field + ": [a.example.com]\n"
	}
	x := newFixture(t, map[string]string{"east/route.yaml": route("hostnames")})
	x.run(x.open())
	x.holds(key, "hostnames")
	x.write("east/route.yaml", route("hostname"))
	if p := x.problem(`unknown field spec.hostname: did you mean "hostnames"?`); p.Line != 6 || !p.LastGood {
		t.Errorf("got %+v, want line 6, and the last good state in force", p)
	}
	x.holds(key, "hostnames")
	x.write("east/route.yaml", route("hostnames"))
	x.noProblems()
}

func TestProblemsQuoteNothingOfASecret(t *testing.T) {
	f := newFixture(t, nil).open()
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, %s}\ntype: kubernetes.io/tls\n"
	for _, slip := range []string{"labels: {CANARY: 7}", "labels: CANARY", "annotations: {CANARY: [CANARY]}", "namespace: ../CANARY", "labels: {a: *CANARY}", "labels: {CANARY: a, CANARY: b}"} {
		got := &file{objects: map[resource.Key]snapshot.Object{}, places: map[resource.Key]place{}, unknown: map[string]int{}}
		docs, problems := manifest.Read(fmt.Appendf(nil, secret, slip))
		f.parse(got, "db.yaml", docs, problems)
		if len(got.problems) != 1 || strings.Contains(got.problems[0].Message, "CANARY") {
			t.Errorf("%s: got %+v, want one problem that quotes nothing", slip, got.problems)
		}
	}
}

func TestProblemIsLoggedOnce(t *testing.T) {
	x := newFixture(t, map[string]string{"east/a.yaml": "a: b\nbroken: [\n"})
	var text strings.Builder
	f := x.open()
	f.log = slog.New(slog.NewTextHandler(&text, nil))
	for range 2 {
		f.changed = true
		if _, err := f.scan(nil); err != nil {
			t.Fatal(err)
		}
		f.delivery(false)
	}
	if n := strings.Count(text.String(), "at=east/a.yaml:2"); n != 1 {
		t.Errorf("got %d lines with the file and its line, want one: %s", n, text.String())
	}
}

func TestFirstFileByPathCounts(t *testing.T) {
	x := newFixture(t, map[string]string{"east/a.yaml": service("cart", "first"), "east/b/c.yaml": "# comment\n" + service("cart", "second")})
	x.run(x.open())
	x.holds(cart, "first")
	p := x.problem("is in a.yaml, too")
	if p.File != "b/c.yaml" || p.Line != 2 {
		t.Errorf("got %+v, want b/c.yaml and line 2", p)
	}
	x.must(os.Remove(x.path("east/a.yaml")))
	x.holds(cart, "second")
	x.noProblems()
}

func TestReportsWhatCannotBeTaken(t *testing.T) {
	x := newFixture(t, map[string]string{
		"east/big.yaml":     "apiVersion: v1\nkind: Service\nmetadata: {name: big}\nspec: {note: " + strings.Repeat("x", 1600<<10) + "}\n",
		"east/twice.yaml":   service("cart", "first") + "---\n" + service("cart", "second"),
		"east/name.yaml":    "apiVersion: v1\nkind: Service\n",
		"east/jobs.yaml":    "{apiVersion: batch/v1, kind: Job, metadata: {name: a}}\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: b}}\n",
		"east/garbage.yaml": "\x00\x01\x02",
	})
	f := x.open()
	x.run(f)
	x.holds(cart, "first")
	x.problem("more than the 1048576 that are taken")
	x.problem("is in this file twice")
	x.problem("the Service has no name: add metadata.name")
	if p := x.problem("control characters are not allowed"); p.File != "garbage.yaml" {
		t.Errorf("got %+v, want garbage.yaml", p)
	}
	if d := f.delivery(false); d.Unknown["Job.batch"] != 2 {
		t.Errorf("got %v unknown, want two Jobs", d.Unknown)
	}
}

func TestFolderThatCannotBeReadIsUnknownNotEmpty(t *testing.T) {
	x := newFixture(t, map[string]string{"east/cart.yaml": service("cart", "one")})
	f := x.open()
	x.run(f)
	x.has(cart)
	x.must(os.Rename(x.path("east"), x.path("away")))
	if _, err := f.Identity(t.Context()); err == nil {
		t.Fatal("got no error for a folder that is away")
	}
	x.eventually("the outage to be delivered", func() bool { return errors.Is(x.outage, fs.ErrNotExist) })
	x.write("away/search.yaml", service("search", "x"))
	x.must(os.Rename(x.path("away"), x.path("east")))
	x.has(search)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.outage != nil {
		t.Errorf("got the outage %v from a folder that is back", x.outage)
	}
	if x.gone[cart] > 0 {
		t.Error("an object was taken as deleted while its folder was away")
	}
}

func TestFileThatIsEmptyForAMomentKeepsItsObjects(t *testing.T) {
	x := newFixture(t, map[string]string{"east/cart.yaml": service("cart", "one")})
	x.run(x.open())
	x.has(cart)
	x.must(os.Truncate(x.path("east/cart.yaml"), 0))
	x.problem("the file is empty")
	x.has(cart)
	x.lacks(cart) // it stays so
	x.noProblems()
}

func TestReadsOnlyWhatChangedAmongThousandsOfFiles(t *testing.T) {
	const namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n"
	path := func(i int) string { return fmt.Sprintf("east/%d/ns-%d.yaml", i%30, i) }
	files := map[string]string{}
	for i := range 3000 {
		files[path(i)] = fmt.Sprintf(namespace, fmt.Sprintf("ns-%d", i))
	}
	x := newFixture(t, files)
	old := time.Now().Add(-time.Hour)
	for name := range files {
		x.must(os.Chtimes(x.path(name), old, old))
	}
	f := x.open()
	scan := func() {
		t.Helper()
		f.mu.Lock()
		defer f.mu.Unlock()
		_, err := f.scan(nil)
		x.must(err)
	}
	scan()
	if len(f.files) != 3000 {
		t.Fatalf("got %d files, want 3000", len(f.files))
	}

	// Whoever reads this file again sees another name.
	x.write(path(1000), fmt.Sprintf(namespace, "ns-XXXX"))
	x.must(os.Chtimes(x.path(path(1000)), old, old))
	x.write("east/7/more.yaml", service("cart", "x"))
	scan()
	if len(f.files) != 3001 || len(f.files["7/more.yaml"].objects) != 1 {
		t.Errorf("got %d files, want the new one, too", len(f.files))
	}
	for key := range f.files["10/ns-1000.yaml"].objects {
		if key.Name != "ns-1000" {
			t.Errorf("got %s: a file was read again that had not changed", key)
		}
	}
}

func TestFileThatWasWrittenAgainWithTheSameContentIsNoChange(t *testing.T) {
	x := newFixture(t, map[string]string{"east/cart.yaml": service("cart", "one"), "east/bad.yaml": "kind: [\n"})
	f := x.open()
	f.mu.Lock()
	defer f.mu.Unlock()
	scan := func() *file {
		t.Helper()
		_, err := f.scan(nil)
		x.must(err)
		f.take(time.Now())
		return f.files["cart.yaml"]
	}
	before := scan()
	x.write("east/cart.yaml", service("cart", "one"))
	if got := scan(); got != before || f.changed {
		t.Errorf("got %+v, want what was known of the file", got)
	}
	x.write("east/cart.yaml", service("cart", "two"))
	if got := scan(); got == before {
		t.Error("got what was known of the file, want its new content")
	}
}

func TestOneAgentForAFolder(t *testing.T) {
	x := newFixture(t, nil)
	f := x.open()
	if _, err := Open(slog.New(slog.DiscardHandler), f.cfg); err == nil || !strings.Contains(err.Error(), "another agent has") {
		t.Fatalf("got %v, want that another agent has the folder", err)
	}
	f.Close()
	second, err := Open(slog.New(slog.DiscardHandler), f.cfg)
	if err != nil {
		t.Fatalf("got %v after the first agent ended, want none", err)
	}
	second.Close()
	f.lock = nil
}

func TestSaysWhyAFolderCannotBeOpened(t *testing.T) {
	x := newFixture(t, map[string]string{"file": ""})
	for _, tt := range []struct{ dir, cluster, want string }{
		{"", "east", "Dir is missing"},
		{x.dir, "West", "lower-case"},
		{x.dir, "applied", "no cluster can be named"},
		{x.dir, "west", "no such file"},
		{x.dir, "file", "is a file, not a folder"},
	} {
		if _, err := Open(slog.New(slog.DiscardHandler), Config{Dir: tt.dir, Cluster: tt.cluster}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("dir %q, cluster %q: got %v, want %q", tt.dir, tt.cluster, err, tt.want)
		}
	}
}
