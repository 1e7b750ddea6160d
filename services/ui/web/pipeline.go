package web

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

const (
	// sampleEvery is how often the pipeline is looked at, and samples how many looks a page shows.
	sampleEvery = 5 * time.Second
	samples     = 60
	// shownLetters is how many dead letters of a group a page shows.
	shownLetters = 100
)

// watch looks at the pipeline every now and then, and remembers the last looks.
type watch struct {
	conn     *redisconn.Conn
	surveyor *survey.Surveyor

	mu      sync.Mutex // guards what follows
	last    survey.Survey
	letters map[string][]stream.DeadLetter
	trouble string
	rates   []rate
}

// rate is how many revisions were written between two looks.
type rate struct {
	At     time.Time `json:"at"`
	Second float64   `json:"perSecond"`
}

func newWatch(conn *redisconn.Conn) *watch {
	if conn == nil {
		return nil
	}
	return &watch{conn: conn, surveyor: survey.New(conn)}
}

func (w *watch) run(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		w.look(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// look takes a survey and the dead letters that there are.
func (w *watch) look(ctx context.Context) {
	const patience = 4 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := w.surveyor.Take(ctx, survey.Options{})
	letters := map[string][]stream.DeadLetter{}
	for _, d := range s.DeadLetters {
		if err != nil || d.Count == 0 {
			continue
		}
		var dead *stream.DeadLetters
		if dead, err = w.dead(d.Group); err == nil {
			letters[d.Group], err = dead.List(ctx, stream.Page{Limit: shownLetters})
		}
	}
	w.take(s, letters, err)
}

func (w *watch) dead(group string) (*stream.DeadLetters, error) {
	return stream.NewDeadLetters(w.conn.Client, keyspace.DeadLettersKey(group), stream.DeadLettersConfig{}) //nolint:wrapcheck // it says what it was doing
}

func (w *watch) take(s survey.Survey, letters map[string][]stream.DeadLetter, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.trouble = err.Error()
		return
	}
	if !w.last.At.IsZero() {
		w.rates = append(w.rates, rateOf(w.last, s))
		w.rates = w.rates[max(0, len(w.rates)-samples):]
	}
	w.last, w.letters, w.trouble = s, letters, ""
}

// rateOf counts the revisions of a survey that an earlier one did not have. A new epoch counts from its beginning.
func rateOf(before, now survey.Survey) rate {
	had := map[keyspace.Name]survey.Keyspace{}
	for _, k := range before.Keyspaces {
		had[k.Name] = k
	}
	written := uint64(0)
	for _, k := range now.Keyspaces {
		switch b := had[k.Name]; {
		case b.Epoch != k.Epoch:
			written += k.Revision
		case k.Revision > b.Revision:
			written += k.Revision - b.Revision
		}
	}
	return rate{now.At, float64(written) / max(now.At.Sub(before.At).Seconds(), 0.001)}
}

// pipelinePage shows the streams, who reads them, and what was given up on.
type pipelinePage struct {
	Notice
	// Off says that this ui has no way to look.
	Off bool `json:"off,omitempty"`
	// Trouble says why the last look failed; what is shown is older then.
	Trouble string        `json:"trouble,omitempty"`
	Survey  survey.Survey `json:"survey"`
	Rates   []rate        `json:"rates,omitempty"`
	Spark   spark         `json:"-"`
	Groups  []groupLine   `json:"groups,omitempty"`
	Letters []letterClass `json:"deadLetters,omitempty"`
	// Behind counts the revisions that groups were not given, Pending the entries that were not acked, Dead the dead letters.
	Behind  int64 `json:"behind"`
	Pending int64 `json:"pending"`
	Dead    int64 `json:"dead"`
	// Oldest is when Redis took the oldest entry that somebody did not deal with; zero for none.
	Oldest time.Time `json:"oldest,omitzero"`
	// Done says what became of a dead letter.
	Done string `json:"-"`
}

// groupLine sums up a consumer group over all streams.
type groupLine struct {
	Name      string    `json:"name"`
	Streams   int       `json:"streams"`
	Lag       int64     `json:"lag"`
	Pending   int64     `json:"pending"`
	Oldest    time.Time `json:"oldest,omitzero"`
	Consumers []string  `json:"consumers,omitempty"`
}

// letterClass are the dead letters of a group with the same class.
type letterClass struct {
	Group   string              `json:"group"`
	Class   stream.Class        `json:"class"`
	Count   int                 `json:"count"`
	Letters []stream.DeadLetter `json:"letters"`
}

func (s *Server) pipeline() *page {
	return &page{
		name: "pipeline", section: "Pipeline", pattern: "/pipeline", every: sampleEvery,
		regions: []string{"notice", "stats", "rates", "letters", "groups", "keyspaces", "servers"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			p := &pipelinePage{Notice: f.Notice, Off: s.watch == nil}
			p.Done = map[string]string{
				"replayed": "The dead letter was published again to the stream that it came from.",
				"dropped":  "The dead letter was dropped.",
			}[a.query.Get("done")]
			if s.watch != nil {
				s.watch.fill(p)
			}
			return p, "Pipeline", nil
		},
	}
}

func (w *watch) fill(p *pipelinePage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.Survey, p.Trouble, p.Rates = w.last, w.trouble, slices.Clone(w.rates)
	p.Spark = sparkOf(p.Rates)
	groups := map[string]*groupLine{}
	for _, k := range w.last.Keyspaces {
		for _, g := range k.Stream.Groups {
			line := groups[g.Name]
			if line == nil {
				line = &groupLine{Name: g.Name}
				groups[g.Name] = line
			}
			line.add(g)
			p.Behind += max(0, g.Lag)
			p.Pending += g.Pending
		}
	}
	for _, line := range groups {
		p.Oldest = before(p.Oldest, line.Oldest)
		p.Groups = append(p.Groups, *line)
	}
	slices.SortFunc(p.Groups, func(a, b groupLine) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range w.last.DeadLetters {
		p.Dead += d.Count
		classes := map[stream.Class]*letterClass{}
		for _, l := range w.letters[d.Group] {
			c := classes[l.Class]
			if c == nil {
				c = &letterClass{Group: d.Group, Class: l.Class, Count: d.ByClass[l.Class]}
				classes[l.Class] = c
			}
			c.Letters = append(c.Letters, l)
		}
		for _, c := range classes {
			p.Letters = append(p.Letters, *c)
		}
	}
	slices.SortFunc(p.Letters, func(a, b letterClass) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(string(a.Class), string(b.Class)))
	})
}

func (l *groupLine) add(g survey.Group) {
	l.Streams++
	l.Lag += max(0, g.Lag)
	l.Pending += g.Pending
	l.Oldest = before(before(l.Oldest, g.UnreadAt), g.PendingAt)
	for _, c := range g.Consumers {
		if !slices.Contains(l.Consumers, c.Name) {
			l.Consumers = append(l.Consumers, c.Name)
		}
	}
	slices.Sort(l.Consumers)
}

// before returns the earlier of two times, of which either may be none.
func before(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
