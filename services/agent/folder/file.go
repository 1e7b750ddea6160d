package folder

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/manifest"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// maxProblems caps what is reported of one file.
const maxProblems = 20

// version tells whether a file has changed since it was read.
type version struct {
	size    int64
	changed time.Time
	mode    fs.FileMode
	info    fs.FileInfo // for os.SameFile: a replaced file may have the old size and time
}

func versionOf(info fs.FileInfo) version {
	return version{size: info.Size(), changed: info.ModTime(), mode: info.Mode(), info: info}
}

func (v version) same(o version) bool {
	return v.size == o.size && v.changed.Equal(o.changed) && v.mode == o.mode &&
		(v.info == nil) == (o.info == nil) && (v.info == nil || os.SameFile(v.info, o.info))
}

// file is what was last read of one file.
type file struct {
	version version
	// settled is false while the file may still change without its version showing it.
	settled bool
	// sum is that of the content that was read; zero for none.
	sum [sha256.Size]byte
	// objects are those that count: what was read, and what is held because the file is damaged.
	objects map[resource.Key]snapshot.Object
	// lines and documents say where each object that was read stands.
	places   map[resource.Key]place
	problems []internalv1.ManifestProblemSpec
	// damaged says that the file has objects that could not be read.
	damaged bool
	// known says of a damaged file that its last good state is known.
	known   bool
	unknown map[string]int
}

type place struct {
	line, document int
	text           *manifest.Document // nil unless it is kept
}

// settledAfter is how old a change must be for a file's version to be trusted:
// clocks of file systems tick slowly, and two writes may fall into one tick. A file that is
// written in place is also empty for a moment, and for long where its writer has to wait.
const (
	settledAfter = time.Second
	emptyAfter   = 5 * time.Second
)

// readFile reads a file anew, and returns old where the content is the same. Of a damaged file, the objects that old had and
// that are found no more are held: any of them may be what is damaged.
func (f *Folder) readFile(root *os.Root, name, path string, v version, old *file, now time.Time) *file {
	got := &file{
		version: v, settled: now.Sub(v.changed) > settledAfter,
		objects: map[resource.Key]snapshot.Object{}, places: map[resource.Key]place{}, unknown: map[string]int{},
	}
	data, err := read(root, path, v, f.cfg.MaxFileBytes)
	if err == nil && len(data) == 0 && old != nil && len(old.objects) > 0 && now.Sub(v.changed) <= emptyAfter {
		got.settled = false
		err = errors.New("the file is empty; if it stays so, its objects are taken as deleted")
	}
	if err == nil {
		got.sum = sha256.Sum256(data)
	}
	switch {
	case err != nil:
		got.damage(internalv1.ManifestProblemSpec{File: name, Message: err.Error()})
	case old != nil && old.sum == got.sum:
		old.version, old.settled = v, got.settled
		return old
	case isApplied(name):
		said := f.parseContent(path, v, now, data)
		f.parse(got, name, said.docs, said.problems)
	default:
		docs, problems := manifest.Read(data)
		f.parse(got, name, docs, problems)
	}
	got.hold(old)
	return got
}

func read(root *os.Root, path string, v version, limit int64) ([]byte, error) {
	if !v.mode.IsRegular() {
		return nil, fmt.Errorf("this is no regular file (%s): put the manifest itself here", v.mode.Type())
	}
	if v.size > limit {
		return nil, fmt.Errorf("the file has %d bytes, more than the %d that are read: split it up", v.size, limit)
	}
	opened, err := root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be opened (%w): check its permissions", err)
	}
	defer opened.Close()
	data, err := io.ReadAll(io.LimitReader(opened, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file cannot be read (%w)", err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("the file has more than the %d bytes that are read: split it up", limit)
	}
	return data, nil
}

// parse takes the objects of a file. Objects of ours are not marked with their
// file: they are to stand in the snapshot as they were written.
func (f *Folder) parse(got *file, name string, docs []manifest.Document, problems []manifest.Problem) {
	mark := name
	if isApplied(name) {
		mark = ""
	}
	for _, p := range problems {
		got.damage(internalv1.ManifestProblemSpec{File: name, Line: p.Line, Document: p.Document, Message: p.Message})
	}
	for _, doc := range docs {
		kind := doc.Object.GroupVersionKind().GroupKind()
		if mistakes := f.checker.Check(kind, doc.Object.Object); len(mistakes) > 0 {
			for _, m := range mistakes {
				got.damage(internalv1.ManifestProblemSpec{
					File: name, Line: doc.LineOf(m.Path), Document: doc.Index,
					Message: kind.Kind + " " + doc.Object.GetName() + ": " + m.Message,
				})
			}
			continue
		}
		if isApplied(name) {
			doc.Object = doc.Object.DeepCopy() // the target shares it, and to reduce changes it
		}
		object, err := f.reducer.Reduce(doc.Object, mark)
		switch _, twice := got.objects[object.Key]; {
		case errors.Is(err, snapshot.ErrUnknownKind):
			got.unknown[kind.String()]++
		case errors.Is(err, snapshot.ErrNotTaken):
		case err != nil:
			got.damage(internalv1.ManifestProblemSpec{File: name, Line: doc.Line, Document: doc.Index, Message: err.Error()})
		case twice:
			first := got.places[object.Key]
			got.problems = append(got.problems, internalv1.ManifestProblemSpec{
				File: name, Line: doc.Line, Document: doc.Index,
				Message: fmt.Sprintf("%s is in this file twice, and the one at line %d counts: remove one", object.Key, first.line),
			})
		default:
			got.objects[object.Key] = object
			at := place{line: doc.Line, document: doc.Index}
			if f.keepDocuments {
				at.text = &doc
			}
			got.places[object.Key] = at
		}
	}
	if more := len(got.problems) - maxProblems; more > 0 {
		got.problems = got.problems[:maxProblems]
		got.problems[maxProblems-1].Message += fmt.Sprintf(" (and %d more problems in this file)", more)
	}
}

func (f *file) damage(p internalv1.ManifestProblemSpec) {
	f.damaged = true
	f.problems = append(f.problems, p)
}

// hold keeps what a damaged file had and has no more.
func (f *file) hold(old *file) {
	if !f.damaged || old == nil {
		return
	}
	f.known = !old.damaged || old.known
	for key, object := range old.objects {
		if _, found := f.objects[key]; !found {
			f.keep(object)
		}
	}
}

func (f *file) keep(object snapshot.Object) {
	f.objects[object.Key] = object
	for i := range f.problems {
		f.problems[i].LastGood = true
	}
}
