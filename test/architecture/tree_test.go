package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the path that every import of this repository starts with.
const module = "github.com/meshweir/meshweir"

// tree is the repository.
type tree struct {
	root  string
	paths []string // of every file, by slashes from the root; sorted
}

// source is one Go file.
type source struct {
	path string // by slashes from the root
	file *ast.File
	fset *token.FileSet
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }

// at says where a node stands, as file:line.
func (s source) at(node ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(node.Pos()).Line)
}

// readTree lists the repository without what is not its source: version control,
// test data, modules nested in it, and folders that programs made (.gitignore).
func readTree(t *testing.T) tree {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	found := tree{root: root}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if relative != "." && leftOut(file, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		found.paths = append(found.paths, filepath.ToSlash(relative))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func leftOut(folder, name string) bool {
	switch name {
	case ".ci":
		return false
	case "testdata", "bin", "meshweir-demo":
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil || strings.HasPrefix(name, ".")
}

// under returns the files below a folder that have one of the extensions.
func (r tree) under(folder string, extensions ...string) []string {
	var found []string
	for _, file := range r.paths {
		if folder != "." && !strings.HasPrefix(file, folder+"/") {
			continue
		}
		for _, extension := range extensions {
			if path.Ext(file) == extension {
				found = append(found, file)
			}
		}
	}
	return found
}

func (r tree) read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// sources parses every Go file of the repository.
func (r tree) sources(t *testing.T) []source {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	for _, file := range r.under(".", ".go") {
		parsed, err := parser.ParseFile(fset, filepath.Join(r.root, filepath.FromSlash(file)), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{path: file, file: parsed, fset: fset})
	}
	if len(all) == 0 {
		t.Fatal("no Go file was found")
	}
	return all
}

// quoted returns what a string literal holds.
func quoted(t *testing.T, literal *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
