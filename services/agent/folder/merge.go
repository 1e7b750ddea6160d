package folder

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// put replaces what is known of a file, nil for a file that is gone, and keeps the claims of its objects.
func (f *Folder) put(name string, now *file) {
	old := f.files[name]
	if old != nil && old == now {
		return
	}
	if old != nil {
		for key := range old.objects {
			f.touched[key] = struct{}{}
			f.claims[key] = slices.DeleteFunc(f.claims[key], func(n string) bool { return n == name })
			if len(f.claims[key]) == 0 {
				delete(f.claims, key)
			}
		}
	}
	f.changed = true
	if now == nil {
		delete(f.files, name)
		return
	}
	f.files[name] = now
	for key := range now.objects {
		f.claim(key, name)
	}
}

// claim enters a file for an object. The first in the order counts: what was
// read before what is only held, users' files before ours, then by path.
func (f *Folder) claim(key resource.Key, name string) {
	f.touched[key] = struct{}{}
	claims := append(f.claims[key], name)
	slices.SortFunc(claims, func(a, b string) int {
		return cmp.Or(compareBools(f.isHeld(key, a), f.isHeld(key, b)), compareBools(isApplied(a), isApplied(b)), strings.Compare(a, b))
	})
	f.claims[key] = claims
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

func (f *Folder) isHeld(key resource.Key, name string) bool {
	_, read := f.files[name].places[key]
	return !read
}

// winner returns the value of an object that counts, or nil.
func (f *Folder) winner(key resource.Key) []byte {
	if claims := f.claims[key]; len(claims) > 0 {
		return f.files[claims[0]].objects[key].Value
	}
	return nil
}

// take returns what has changed since it was called last.
func (f *Folder) take(now time.Time) snapshot.Delivery {
	d := snapshot.Delivery{At: now, Unknown: map[string]int{}}
	for key := range f.touched {
		value := f.winner(key)
		switch _, was := f.delivered[key]; {
		case value != nil && string(value) != string(f.delivered[key]):
			f.delivered[key] = value
			d.Set = append(d.Set, snapshot.Object{Key: key, Value: value})
		case value == nil && was:
			delete(f.delivered, key)
			d.Deleted = append(d.Deleted, key)
		}
	}
	clear(f.touched)
	if f.changed {
		f.reportProblems(&d)
		f.changed = false
	}
	for _, file := range f.files {
		for kind, n := range file.unknown {
			d.Unknown[kind] += n
		}
	}
	return d
}

// reportProblems delivers what changed of the problems of all files.
func (f *Folder) reportProblems(d *snapshot.Delivery) {
	now := map[resource.Key][]byte{}
	report := func(n int, spec internalv1.ManifestProblemSpec) {
		object := internalv1.ManifestProblem{
			TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindManifestProblem},
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", slug(spec.File), n)},
			Spec:       spec,
		}
		if value, err := json.Marshal(object); err == nil { // text and numbers: it does not fail
			now[resource.Key{Group: resource.InternalGroup, Kind: internalv1.KindManifestProblem, Name: object.Name}] = value
		}
	}
	duplicates := f.duplicates()
	warned := map[internalv1.ManifestProblemSpec]bool{}
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		for i, spec := range slices.Concat(f.files[name].problems, duplicates[name]) {
			if f.files[name].damaged && !f.files[name].known && i == 0 {
				spec.Message += " (nothing is known of its earlier content)"
			}
			report(i, spec)
			if !f.warned[spec] {
				at := path.Join(f.cfg.Cluster, spec.File)
				if spec.Line > 0 {
					at = fmt.Sprintf("%s:%d", at, spec.Line)
				}
				f.log.Warn("manifest has a problem", "at", at, "message", spec.Message, "last_good", spec.LastGood)
			}
			warned[spec] = true
		}
	}
	f.warned = warned
	for key, value := range now {
		if string(f.reported[key]) != string(value) {
			d.Set = append(d.Set, snapshot.Object{Key: key, Value: value})
		}
	}
	for key := range f.reported {
		if now[key] == nil {
			d.Deleted = append(d.Deleted, key)
		}
	}
	f.reported = now
}

// duplicates returns, by file, a problem for each object that counts from another file.
func (f *Folder) duplicates() map[string][]internalv1.ManifestProblemSpec {
	found := map[string][]internalv1.ManifestProblemSpec{}
	for key, claims := range f.claims {
		for i, name := range claims {
			if i == 0 || f.isHeld(key, name) {
				continue
			}
			at := f.files[name].places[key]
			found[name] = append(found[name], internalv1.ManifestProblemSpec{
				File: name, Line: at.line, Document: at.document,
				Message: fmt.Sprintf("%s is in %s, too, and that one counts: remove one of the two", key, claims[0]),
			})
		}
	}
	for _, problems := range found {
		slices.SortFunc(problems, func(a, b internalv1.ManifestProblemSpec) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Message, b.Message))
		})
	}
	return found
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes of a path what may stand in an object's name: readable, and no two alike.
func slug(file string) string {
	sum := sha256.Sum256([]byte(file))
	text := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(file), "-"), "-")
	if len(text) > 100 {
		text = text[len(text)-100:]
	}
	return strings.Trim(text+"-"+hex.EncodeToString(sum[:4]), "-")
}
