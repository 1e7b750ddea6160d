package folder

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// appliedPrefix starts the names of files in the applied folder. The others are
// paths within the cluster's folder.
const appliedPrefix = "../" + AppliedDir + "/"

func isApplied(name string) bool { return strings.HasPrefix(name, appliedPrefix) }

// scan reads what changed in both folders and touches the objects concerned. It
// tells watch every folder before it is listed, so that no change falls in
// between. On an error nothing has changed: a folder that cannot be listed is unknown, not empty.
func (f *Folder) scan(watch func(dir string)) (settled bool, err error) {
	if watch == nil {
		watch = func(string) {}
	}
	s := scanner{folder: f, watch: watch, now: time.Now(), seen: map[string]bool{}, settled: true}
	if err := s.manifests(); err != nil {
		return false, err
	}
	if err := s.applied(); err != nil {
		return false, err
	}
	for name := range f.files {
		if !s.seen[name] && !slices.ContainsFunc(s.unlisted, func(dir string) bool { return dir == "." || strings.HasPrefix(name, dir+"/") }) {
			f.put(name, nil)
		}
	}
	return s.settled, nil
}

type scanner struct {
	folder *Folder
	watch  func(dir string)
	now    time.Time
	seen   map[string]bool
	// unlisted are sub-folders that could not be listed: what was in them stays.
	unlisted []string
	settled  bool
}

// manifests walks the cluster's folder. The folder may itself be a link that is
// swapped, as git-sync does; nothing within it leads out of it.
func (s *scanner) manifests() error {
	real, err := filepath.EvalSymlinks(s.folder.manifestDir())
	if err != nil {
		return fmt.Errorf("looking through the cluster's folder: %w", err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return fmt.Errorf("looking through the cluster's folder: %w", err)
	}
	defer root.Close()
	s.watch(filepath.Dir(s.folder.manifestDir()))
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(path.Base(name), ".") && name != "."; {
		case err != nil && name == ".":
			return fmt.Errorf("looking through the cluster's folder: %w", err)
		case err != nil && entry != nil && entry.IsDir():
			s.unlist(name, err)
			return fs.SkipDir
		case err != nil:
			return nil // gone since it was listed
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden:
			return nil
		case entry.IsDir():
			s.watch(filepath.Join(real, filepath.FromSlash(name)))
			return nil
		}
		s.look(root, name, name, entry)
		return nil
	})
}

// applied lists the folder that we write to; what a user puts there counts, too.
func (s *scanner) applied() error {
	s.watch(s.folder.appliedDir())
	s.watch(filepath.Join(s.folder.appliedDir(), statusDir))
	entries, err := fs.ReadDir(s.folder.applied.FS(), ".")
	if err != nil {
		return fmt.Errorf("looking through the applied folder: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			s.look(s.folder.applied, appliedPrefix+s.folder.cfg.Cluster+"/"+entry.Name(), entry.Name(), entry)
		}
	}
	return nil
}

// look reads a file if it is a manifest and has changed.
func (s *scanner) look(root *os.Root, name, path string, entry fs.DirEntry) {
	isLink := entry.Type()&fs.ModeSymlink != 0
	if !IsManifest(name) && !isLink {
		return
	}
	old := s.folder.files[name]
	info, err := entry.Info()
	if isLink {
		info, err = root.Stat(path)
	}
	switch {
	case err != nil && isLink:
		s.report(name, old, fmt.Sprintf("the symbolic link cannot be followed within the cluster's folder (%v): put the file itself here", err))
		return
	case err != nil:
		return // gone since it was listed
	case info.IsDir():
		s.report(name, old, "a symbolic link to a folder is not followed: put the folder itself here")
		return
	case !IsManifest(name):
		return
	}
	s.seen[name] = true
	now := versionOf(info)
	if old == nil || !old.settled || !old.version.same(now) {
		s.folder.put(name, s.folder.readFile(root, name, path, now, old, s.now))
	}
	s.settled = s.settled && s.folder.files[name].settled
}

// report notes a problem with what cannot even be opened.
func (s *scanner) report(name string, old *file, message string) {
	s.seen[name] = true
	if old != nil && old.damaged && len(old.problems) == 1 && old.problems[0].Message == message {
		return
	}
	got := &file{settled: true, objects: map[resource.Key]snapshot.Object{}}
	got.damage(internalv1.ManifestProblemSpec{File: name, Message: message})
	got.hold(old)
	s.folder.put(name, got)
}

func (s *scanner) unlist(dir string, err error) {
	s.unlisted = append(s.unlisted, dir)
	s.report(dir, s.folder.files[dir], fmt.Sprintf("the folder cannot be listed (%v): check its permissions", err))
}

// IsManifest reports whether a file of a folder, by its name, is read as a manifest.
func IsManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	default:
		return false
	}
}
