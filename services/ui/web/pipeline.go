package web

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/services/ui/view"
)

const (
	// sampleEvery is how often the pipeline is looked at while somebody wants to see it, and samples how many looks a page shows.
	sampleEvery = 5 * time.Second
	samples     = 60
)

// watch looks at the pipeline while somebody wants to see it, and remembers the last looks.
type watch struct {
	conn     *redisconn.Conn
	surveyor *survey.Surveyor
	// looking is held during a look: who comes meanwhile waits for it.
	looking sync.Mutex

	mu      sync.Mutex // guards what follows
	last    survey.Survey
	letters map[string][]stream.DeadLetter
	trouble string
	rates   []rate
	// tried is when the last look began, also one that failed.
	tried time.Time
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

// keep looks unless somebody has just looked.
func (w *watch) keep(ctx context.Context) {
	w.looking.Lock()
	defer w.looking.Unlock()
	w.mu.Lock()
	fresh := time.Since(w.tried) < sampleEvery
	w.mu.Unlock()
	if !fresh {
		w.survey(ctx)
	}
}

// look looks also where somebody has just looked, before something changed.
func (w *watch) look(ctx context.Context) {
	w.looking.Lock()
	defer w.looking.Unlock()
	w.survey(ctx)
}

// survey takes a survey and the newest dead letters of each class. The caller holds looking.
func (w *watch) survey(ctx context.Context) {
	const patience = 4 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.mu.Lock()
	w.tried = time.Now()
	w.mu.Unlock()
	s, err := w.surveyor.Take(ctx, survey.Options{})
	letters := map[string][]stream.DeadLetter{}
	for _, d := range s.DeadLetters {
		if err != nil || d.Count == 0 || d.Trouble != "" {
			continue
		}
		letters[d.Group], err = w.newest(ctx, d)
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
	if s.At.Sub(w.last.At) > 2*sampleEvery {
		w.rates = nil // nobody looked meanwhile
	} else {
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
	Query pipelineQuery `json:"query"`
	// Off says that this ui has no way to look, Known that a look has succeeded: without, nothing that follows says anything.
	Off   bool `json:"off,omitempty"`
	Known bool `json:"known"`
	// Trouble says why the last look failed; what is shown is older then.
	Trouble string        `json:"trouble,omitempty"`
	Survey  survey.Survey `json:"survey"`
	Rates   []rate        `json:"rates,omitempty"`
	Spark   spark         `json:"-"`
	Groups  []groupLine   `json:"groups,omitempty"`
	Letters []letterClass `json:"deadLetters,omitempty"`
	// Unread says of which groups the dead letters could not be read, and why.
	Unread []string `json:"unreadDeadLetters,omitempty"`
	// Behind counts the revisions that groups were not given, Pending the entries that were not acked, Dead the dead letters.
	Behind  int64 `json:"behind"`
	Pending int64 `json:"pending"`
	Dead    int64 `json:"dead"`
	// AtLeast says that of some groups it is not known how far they are behind.
	AtLeast bool `json:"behindAtLeast,omitempty"`
	// Oldest is when Redis took the oldest entry that somebody did not deal with; zero for none.
	Oldest time.Time `json:"oldest,omitzero"`
	// Keyspaces are those of this page, what asks for attention first; Total counts all that match.
	Keyspaces []survey.Keyspace `json:"-"`
	Total     int               `json:"-"`
	// Previous and Next are the addresses of the pages beside; empty for none.
	Previous, Next string `json:"-"`
	// Done says what became of a dead letter.
	Done string `json:"-"`
}

// Figures are the names of those at the top of the page.
func (p *pipelinePage) Figures() []string {
	return []string{"Writes now", "Behind", "Pending", "Dead letters"}
}

// Unqueued says who reads a keyspace whose events no group shares: they follow it as state, and so nobody is behind.
func (p *pipelinePage) Unqueued(kind string) string {
	switch kind {
	case view.KindView:
		return "no group: dashboards follow it as state"
	case view.KindInsight:
		return "no group: dashboards follow it as state, the command line reads it"
	default:
		return "no group: read as state, if at all"
	}
}

// groupLine sums up a consumer group over all streams.
type groupLine struct {
	Name    string `json:"name"`
	Streams int    `json:"streams"`
	Lag     int64  `json:"lag"`
	// AtLeast says that of some streams the lag is not known.
	AtLeast   bool      `json:"lagAtLeast,omitempty"`
	Pending   int64     `json:"pending"`
	Oldest    time.Time `json:"oldest,omitzero"`
	Consumers []string  `json:"consumers,omitempty"`
}

func (s *Server) pipeline() *page {
	return &page{
		name: "pipeline", section: "Pipeline", pattern: "/pipeline", every: sampleEvery,
		regions: []string{"notice", "stats", "rates", "letters", "groups", "keyspaces", "servers"},
		data: func(ctx context.Context, f *Fleet, a address) (any, string, error) {
			q, err := parsePipelineQuery(a.query)
			if err != nil {
				return nil, "", badRequest{err}
			}
			p := &pipelinePage{Notice: f.Notice, Query: q, Off: s.watch == nil}
			p.Done = map[string]string{
				"replayed": "The dead letter was published again to the stream that it came from.",
				"dropped":  "The dead letter was dropped.",
			}[a.query.Get("done")]
			if s.watch != nil {
				s.watch.keep(ctx)
				s.watch.fill(p)
				if q.Before != "" {
					s.watch.fillOlder(ctx, p)
				}
			}
			return p, "Pipeline", nil
		},
	}
}

func (w *watch) fill(p *pipelinePage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.Survey, p.Trouble, p.Rates, p.Known = w.last, w.trouble, slices.Clone(w.rates), !w.last.At.IsZero()
	p.Spark = sparkOf(p.Rates)
	p.fillKeyspaces()
	groups := map[string]*groupLine{}
	for _, k := range w.last.Keyspaces {
		for _, g := range k.Stream.Groups {
			line := groups[g.Name]
			if line == nil {
				line = &groupLine{Name: g.Name}
				groups[g.Name] = line
			}
			line.add(g)
		}
	}
	for _, line := range groups {
		p.Behind, p.Pending, p.AtLeast = p.Behind+line.Lag, p.Pending+line.Pending, p.AtLeast || line.AtLeast
		p.Oldest = before(p.Oldest, line.Oldest)
		p.Groups = append(p.Groups, *line)
	}
	slices.SortFunc(p.Groups, func(a, b groupLine) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range w.last.DeadLetters {
		p.Dead += d.Count
		if d.Trouble != "" {
			p.Unread = append(p.Unread, d.Group+": "+d.Trouble)
		}
		p.Letters = append(p.Letters, classesOf(d, w.letters[d.Group])...)
	}
}

func (l *groupLine) add(g survey.Group) {
	l.Streams++
	l.Lag += max(0, g.Lag)
	l.AtLeast = l.AtLeast || g.Lag < 0
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
