package architecture

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// prefix begins every key and channel in Redis.
const prefix = "mw" + ":"

// TestOnlyKeyspaceNamesKeys keeps the names of keys in Redis in one place: other
// code gets them from keyspace.
func TestOnlyKeyspaceNamesKeys(t *testing.T) {
	var named int
	for _, s := range readTree(t).sources(t) {
		if s.isTest() {
			continue
		}
		keyspace := within(s.folder(), "pipeline/keyspace")
		ast.Inspect(s.file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			switch {
			case !ok || literal.Kind != token.STRING || !strings.Contains(quoted(t, literal), prefix):
			case keyspace:
				named++
			default:
				t.Errorf("%s: %s names a key in Redis; package keyspace does that", s.at(literal), literal.Value)
			}
			return true
		})
	}
	if named == 0 {
		t.Errorf("pipeline/keyspace has no %q: the prefix has changed, and this test with it", prefix)
	}
}

// TestEveryPackageSaysWhatItIs wants one package comment, in the form that Go's
// documentation expects, in each package.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	comments := map[string]int{}
	for _, s := range readTree(t).sources(t) {
		if s.isTest() {
			continue
		}
		comments[s.folder()] += 0
		if s.file.Doc == nil {
			continue
		}
		comments[s.folder()]++
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.folder()) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment does not begin with %q", s.at(s.file.Doc), want)
		}
	}
	for folder, count := range comments {
		if count != 1 {
			t.Errorf("%s: got %d package comments, want 1", folder, count)
		}
	}
}

// TestNothingRunsAtImport forbids init functions: what a program does begins in main.
func TestNothingRunsAtImport(t *testing.T) {
	for _, s := range readTree(t).sources(t) {
		for _, declaration := range s.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s: has an init function", s.at(function))
			}
		}
	}
}

// TestPackagesAreNamedAfterSomething refuses names that say nothing of what a
// package is for.
func TestPackagesAreNamedAfterSomething(t *testing.T) {
	empty := []string{"util", "utils", "common", "core", "helper", "helpers", "misc", "types", "impl", "manager"}
	for _, s := range readTree(t).sources(t) {
		if name := strings.TrimSuffix(s.file.Name.Name, "_test"); slices.Contains(empty, name) {
			t.Errorf("%s: package %s is named after nothing", s.at(s.file.Name), name)
		}
		for name := range strings.SplitSeq(s.folder(), "/") {
			if slices.Contains(empty, name) {
				t.Errorf("%s: folder %s is named after nothing", s.path, name)
			}
		}
	}
}

// TestNothingIsPromised refuses the marks of work that is not done.
func TestNothingIsPromised(t *testing.T) {
	promise := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	found := readTree(t)
	for _, file := range found.under(".", "", ".go", ".md", ".yaml", ".yml", ".tmpl", ".css", ".js", ".sh") {
		if strings.HasSuffix(file, ".min.js") {
			continue
		}
		for number, line := range numbered(found.read(t, file)) {
			if promise.MatchString(line) {
				t.Errorf("%s:%d: %s", file, number, strings.TrimSpace(line))
			}
		}
	}
}
