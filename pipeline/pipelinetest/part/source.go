package part

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source is what a part is built from: a command of a module that a module
// nested in this repository pins.
type Source struct {
	// Folder is that of the nested module, by slashes from the root of the repository.
	Folder string
	// Module is the one whose version is the part's.
	Module string
	// Package is the command.
	Package string
	// Link is what the linker is told besides the usual: $VERSION, $MAJOR and
	// $MINOR stand for the version.
	Link string
}

// Built is where the pinned version of a part is, once it is built.
type Built struct {
	// Root is the root of the repository.
	Root string
	// Version is the pinned one, "1.37.2".
	Version string
	// Path is the program's place in the user's cache.
	Path string
}

// Built reads which version of the part the repository around the working
// directory pins. Whether the program is there, it does not say.
func (p Part) Built() (Built, error) {
	if p.Source == nil {
		return Built{}, fmt.Errorf("building %s: nothing here builds it; to get it: %s", p.Name, p.Get)
	}
	root, pins, err := p.Source.pins()
	if err != nil {
		return Built{}, fmt.Errorf("reading which version of %s is pinned: %w", p.Name, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Built{}, fmt.Errorf("looking for the cache of %s: %w", p.Name, err)
	}
	for line := range strings.Lines(pins) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(words) >= 2 && words[0] == p.Source.Module {
			version := strings.TrimPrefix(words[1], "v")
			return Built{Root: root, Version: version, Path: filepath.Join(cache, "meshweir", "parts", p.Name+"-"+version, p.Name)}, nil
		}
	}
	return Built{}, fmt.Errorf("reading which version of %s is pinned: %s/go.mod does not require %s", p.Name, p.Source.Folder, p.Source.Module)
}

// pins reads the go.mod of the nested module, in the folder of the repository
// that the working directory is in.
func (s Source) pins() (root, content string, err error) {
	root, err = os.Getwd()
	if err != nil {
		return "", "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.Folder), "go.mod"))
		if err == nil {
			return root, string(data), nil
		}
		parent := filepath.Dir(root)
		if !errors.Is(err, fs.ErrNotExist) || parent == root {
			return "", "", fmt.Errorf("%w (run this inside the repository)", err)
		}
		root = parent
	}
}

// Linked returns the linker's flags for a version of the part.
func (s Source) Linked(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := strings.NewReplacer("$VERSION", version, "$MAJOR", major, "$MINOR", minor).Replace(s.Link)
	return strings.TrimSpace("-s -w " + flags)
}
