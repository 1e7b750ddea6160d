package demo

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxBytes keeps the demo small enough to read, and to carry in every binary.
const maxBytes = 250_000

func TestUnpackWritesEveryManifest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "demo")
	unpack(t, dir)
	total := 0
	for name, want := range embedded(t) {
		total += len(want)
		if got := read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s: unpacked file differs from the embedded one", name)
		}
	}
	if total > maxBytes {
		t.Errorf("the demo is %d bytes, want at most %d", total, maxBytes)
	}
	assertEntries(t, dir, "east", "mgmt", "west")
}

func TestUnpackedFilesCanBeEdited(t *testing.T) {
	dir := t.TempDir()
	unpack(t, dir)
	info, err := os.Stat(filepath.Join(dir, "east/routing/shop-gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o200 == 0 {
		t.Errorf("mode is %v, want the owner to be able to write", info.Mode())
	}
}

func TestUnpackNeverTouchesAClusterThatHasAFolder(t *testing.T) {
	dir := t.TempDir()
	unpack(t, dir)
	edited, deleted := filepath.Join(dir, "east/cluster/nodes.yaml"), filepath.Join(dir, "east/routing/shop-gateway.yaml")
	if err := os.WriteFile(edited, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(deleted); err != nil {
		t.Fatal(err)
	}
	unpack(t, dir)
	if got := read(t, edited); got != "# mine\n" {
		t.Errorf("the edited manifest is now %q", got)
	}
	if _, err := os.Stat(deleted); err == nil {
		t.Error("the deleted manifest came back")
	}
}

func TestUnpackBringsBackAClusterWithoutFolder(t *testing.T) {
	dir := t.TempDir()
	unpack(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "west")); err != nil {
		t.Fatal(err)
	}
	unpack(t, dir)
	const name = "west/cluster/nodes.yaml"
	if got, want := read(t, filepath.Join(dir, name)), embedded(t)[name]; got != want {
		t.Errorf("%s did not come back", name)
	}
}

func TestUnpackSaysWhichFolderItCannotMake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("unpacking into a file: got %v, want an error that names %s", err, file)
	}
}

func unpack(t *testing.T, dir string) {
	t.Helper()
	if err := Unpack(dir); err != nil {
		t.Fatal(err)
	}
}

func embedded(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(Manifests(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(Manifests(), name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("nothing is embedded")
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func assertEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Fatalf("%s has %d entries (%v), want %v", dir, len(entries), entries, want)
	}
	for i, entry := range entries {
		if entry.Name() != want[i] {
			t.Errorf("entry %d is %q, want %q", i, entry.Name(), want[i])
		}
	}
}
