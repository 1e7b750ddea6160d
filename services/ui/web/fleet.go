package web

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Fleet is all that pages show, at one moment. It does not change.
type Fleet struct {
	// Clusters are sorted by name.
	Clusters []*Cluster
	// Insights are sorted, the gravest first.
	Insights []*Insight
	// Looked says that somebody has looked for insights. While nobody has, that there are none says nothing.
	Looked bool
	// Histories are what became of objects, by cluster and key.
	Histories map[string]map[string]view.History
	Notice

	begin sync.Once
	wired *wiring
}

// wiring is how the objects of clusters fit together. Fleets whose objects are the same share it.
type wiring struct {
	clusters []*Cluster
	join     sync.Once
	index    *mesh.Index
}

// isOf reports whether the wiring is that of clusters, too: nothing that it is made from changed, seen and known or not as they were.
func (w *wiring) isOf(clusters []*Cluster) bool {
	return w != nil && slices.EqualFunc(w.clusters, clusters, func(a, b *Cluster) bool {
		return a.Name == b.Name && a.seen() == b.seen() && a.Known == b.Known && a.wired == b.wired
	})
}

// wiring returns how the objects of the fleet fit together. It is found out when a page asks first.
func (f *Fleet) wiring() *mesh.Index {
	f.begin.Do(func() {
		if f.wired == nil {
			f.wired = &wiring{clusters: f.Clusters}
		}
	})
	return f.wired.joined()
}

func (w *wiring) joined() *mesh.Index {
	w.join.Do(func() {
		w.index = mesh.New(func(yield func(mesh.Cluster) bool) {
			for _, c := range w.clusters {
				rows := func(yield func(resource.Key, *view.Row) bool) {
					for _, it := range c.Items {
						if !yield(it.Key, &it.Row) {
							return
						}
					}
				}
				if !yield(mesh.Cluster{Name: c.Name, Seen: c.seen(), Known: c.Known, Rows: rows}) {
					return
				}
			}
		})
	})
	return w.index
}

// seen reports whether the state of a cluster is known, and nothing says that its agent is away.
func (c *Cluster) seen() bool { return c.Known && (c.Beat.Connected() || c.Beat.Since.IsZero()) }

// away reports whether the agent of a cluster that was seen is gone, or cannot read it.
func (c *Cluster) away() bool { return !c.Expected && !c.Beat.Connected() && !c.Beat.Since.IsZero() }

// rank puts the clusters that ask for attention first: those that are away, then those with errors, then those with warnings.
func (c *Cluster) rank() int {
	switch {
	case !c.seen():
		return 0
	case c.Errors > 0 || c.NotTaken() > 0:
		return 1
	case c.Warnings > 0:
		return 2
	default:
		return 3
	}
}

// illFirst returns the clusters with those that ask for attention first, else by name.
func illFirst(clusters []*Cluster) []*Cluster {
	sorted := slices.Clone(clusters)
	slices.SortStableFunc(sorted, func(a, b *Cluster) int { return a.rank() - b.rank() })
	return sorted
}

// Cluster is one cluster of a fleet.
type Cluster struct {
	Name string `json:"name"`
	view.Cluster
	// Expected is true while nothing was ever seen of the cluster: somebody registered it, or what is wanted elsewhere was made from it.
	Expected bool `json:"expected,omitempty"`
	Beat     Beat `json:"heartbeat"`
	// Items are sorted by kind, namespace and name.
	Items []*Item `json:"-"`
	// wired is the same number as long as what a wiring is made from is the same.
	wired int
}

// Beat is what the heartbeats of an agent say.
type Beat struct {
	// Alive is true while heartbeats come.
	Alive bool `json:"alive"`
	// Since is when this ui saw them begin or end; zero when it has not looked yet.
	Since time.Time `json:"since,omitzero"`
	// Version is that of the agent, where it says so.
	Version string `json:"version,omitempty"`
	// StartedAt is when the agent started, where it says so.
	StartedAt time.Time `json:"started_at,omitzero"`
	// Unknown counts the objects, by kind, that the agent takes no notice of.
	Unknown map[string]int `json:"unknown,omitempty"`
	// Outage is why a living agent cannot read its cluster, and OutageSince since when; empty while it can.
	Outage      string    `json:"outage,omitempty"`
	OutageSince time.Time `json:"outage_since,omitzero"`
}

// Connected reports whether changes of the cluster are seen.
func (b Beat) Connected() bool { return b.Alive && b.Outage == "" }

func (b Beat) equal(o Beat) bool {
	return b.Alive == o.Alive && b.Outage == o.Outage && b.Version == o.Version && b.Since.Equal(o.Since) && b.StartedAt.Equal(o.StartedAt) && maps.Equal(b.Unknown, o.Unknown)
}

// parseBeat reads the info of a heartbeat. What it does not say stays zero.
func parseBeat(info []byte) Beat {
	var said internalv1.Heartbeat
	_ = json.Unmarshal(info, &said) // an agent of another version may say other things
	return Beat{Alive: true, Version: said.Version, StartedAt: said.StartedAt, Unknown: said.Unknown, Outage: said.Outage, OutageSince: said.OutageSince}
}

// Item is a row with what tables need at hand.
type Item struct {
	Ref view.Ref
	Key resource.Key
	view.Row
	Found []view.Problem
	// text is what a search looks through, in lower case.
	text string
}

func newItem(cluster, key string, row view.Row) *Item {
	parsed, err := resource.ParseKey(key)
	if err != nil {
		parsed = resource.Key{Kind: "Unknown", Name: key}
	}
	it := &Item{Ref: view.Ref{Cluster: cluster, Key: key}, Key: parsed, Row: row, Found: row.Problems()}
	var b strings.Builder
	add := func(parts ...string) {
		for _, part := range parts {
			b.WriteString(strings.ToLower(part))
		}
		b.WriteByte('\n')
	}
	add(key)
	add(parsed.Namespace, "/", parsed.Name)
	add(row.Detail)
	add(row.File)
	for name, value := range row.Labels {
		add(name, "=", value)
	}
	for _, p := range it.Found {
		add(p.Title, " ", p.Message)
	}
	it.text = b.String()
	return it
}

// Title is what people call the item: the name of an object, the place of a manifest.
func (it *Item) Title() string {
	m := it.Manifest
	switch {
	case m == nil:
		return it.Key.Name
	case m.Line == 0:
		return m.File
	default:
		return m.File + ":" + strconv.Itoa(m.Line)
	}
}

// KindTitle is what people call the item's kind.
func (it *Item) KindTitle() string {
	if it.Manifest != nil {
		return "Manifest"
	}
	return it.Key.Kind
}

// Status is what a table says of an item in one word.
type Status string

// The statuses, worst first.
const (
	StatusError   Status = "error"
	StatusWarning Status = "warning"
	StatusPending Status = "pending"
	StatusOK      Status = "ok"
	StatusPlain   Status = "plain"
)

// Status returns the worst that is known of the item; plain when there is nothing to judge.
func (it *Item) Status() Status {
	switch {
	case len(it.Found) > 0:
		return Status(it.Found[0].Severity)
	case it.Applied != nil && it.Applied.Result == view.ResultPending:
		return StatusPending
	case it.Applied != nil || len(it.Conditions) > 0:
		return StatusOK
	default:
		return StatusPlain
	}
}

func (s Status) rank() int {
	return slices.Index([]Status{StatusError, StatusWarning, StatusPending, StatusOK, StatusPlain}, s)
}

// clusterNames returns the names of the clusters, sorted.
func (f *Fleet) clusterNames() []string {
	var names []string
	for _, c := range f.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// cluster returns the cluster of a name, or nil.
func (f *Fleet) cluster(name string) *Cluster {
	i, ok := slices.BinarySearchFunc(f.Clusters, name, func(c *Cluster, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return f.Clusters[i]
}

// item returns the item that ref names, or nil.
func (f *Fleet) item(ref view.Ref) *Item {
	c := f.cluster(ref.Cluster)
	key, err := resource.ParseKey(ref.Key)
	if c == nil || err != nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(c.Items, key, func(it *Item, key resource.Key) int { return view.CompareKeys(it.Key, key) })
	if !ok {
		return nil
	}
	return c.Items[i]
}
