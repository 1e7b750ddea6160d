package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

const (
	// shownLetters is how many dead letters of a class a page shows.
	shownLetters = 100
	// readLetters is how many dead letters are read at once, and mostLetters how many at most to find those of a class.
	readLetters = 1000
	mostLetters = 20 * readLetters
)

// letterClass are dead letters of a group with the same class.
type letterClass struct {
	Group string `json:"group"`
	// Class is empty for dead letters of any class.
	Class stream.Class `json:"class"`
	Count int          `json:"count,omitempty"`
	// Letters are the newest, or those that the query asks for.
	Letters []stream.DeadLetter `json:"letters"`
	// last is the dead letter behind which others follow; empty for none.
	last string
}

// Title names the class.
func (c letterClass) Title() string { return cmp.Or(string(c.Class), "any class") }

// newest reads the newest dead letters of each class that the survey counted.
func (w *watch) newest(ctx context.Context, d survey.DeadLetters) ([]stream.DeadLetter, error) {
	dead, err := w.dead(d.Group)
	if err != nil {
		return nil, err
	}
	all, err := dead.List(ctx, stream.Page{Limit: max(d.Classified, shownLetters)})
	kept := map[stream.Class]int{}
	return slices.DeleteFunc(all, func(l stream.DeadLetter) bool {
		kept[l.Class]++
		return kept[l.Class] > shownLetters
	}), err
}

// classesOf sorts the newest dead letters of a group by class.
func classesOf(d survey.DeadLetters, newest []stream.DeadLetter) []letterClass {
	var all []letterClass
	for _, class := range slices.Sorted(maps.Keys(d.ByClass)) {
		c := letterClass{Group: d.Group, Class: class, Count: d.ByClass[class]}
		for _, l := range newest {
			if l.Class == class {
				c.Letters = append(c.Letters, l)
			}
		}
		if n := len(c.Letters); n > 0 && (c.Count > n || d.Count > int64(d.Classified)) {
			c.last = c.Letters[n-1].ID
		}
		all = append(all, c)
	}
	return all
}

// fillOlder shows, in place of the newest dead letters, those that the query asks for.
func (w *watch) fillOlder(ctx context.Context, p *pipelinePage) {
	q := p.Query
	c := letterClass{Group: q.Group, Class: q.Class}
	dead, err := w.dead(q.Group)
	at := q.Before
	for read := 0; err == nil && read < mostLetters && len(c.Letters) < shownLetters; {
		var some []stream.DeadLetter
		some, err = dead.List(ctx, stream.Page{Before: at, Limit: readLetters})
		for _, l := range some {
			at = l.ID
			if (q.Class == "" || l.Class == q.Class) && len(c.Letters) < shownLetters {
				c.Letters = append(c.Letters, l)
				c.last = l.ID
			}
		}
		if len(some) < readLetters {
			break
		}
		read += len(some)
	}
	if err != nil {
		p.Unread = append(p.Unread, q.Group+": "+err.Error())
	}
	if len(c.Letters) < shownLetters {
		c.last = ""
	}
	p.Letters = []letterClass{c}
}

// Older is the address of the dead letters behind those of a class that are shown; empty for none.
func (p *pipelinePage) Older(c letterClass) string {
	if c.last == "" {
		return ""
	}
	return p.Query.olderThan(c.Group, c.Class, c.last)
}

// readLetter reads one dead letter, however old it is.
func (s *Server) readLetter(ctx context.Context, group, id string) (stream.DeadLetter, error) {
	if !s.canBeLetter(group, id) {
		return stream.DeadLetter{}, errNotFound
	}
	dead, err := s.watch.dead(group)
	if err != nil {
		return stream.DeadLetter{}, err
	}
	millis, count, _ := strings.Cut(id, "-")
	sequence, err := strconv.ParseUint(count, 10, 64)
	if err != nil {
		return stream.DeadLetter{}, errNotFound
	}
	found, err := dead.List(ctx, stream.Page{Before: fmt.Sprintf("%s-%d", millis, sequence+1), Limit: 1})
	if err != nil {
		return stream.DeadLetter{}, fmt.Errorf("reading dead letter %s of %s: %w", id, group, err)
	}
	if len(found) == 0 || found[0].ID != id {
		return stream.DeadLetter{}, errNotFound
	}
	return found[0], nil
}
