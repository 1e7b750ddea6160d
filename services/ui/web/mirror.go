package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/ui/view"
)

// mirror follows the views and the heartbeats, and makes fleets of them. What a
// view that vanished or is being written anew does not show yet stays as it was.
type mirror struct {
	log     *slog.Logger
	store   *keyspace.Store
	replica *keyspace.Replica[view.Record]
	// found follows the insights.
	found *keyspace.Replica[insight.Insight]
	// synced is closed once the views and the insights were read.
	synced chan struct{}

	mu       sync.Mutex // guards what follows
	clusters map[string]view.Cluster
	rows     map[string]*rows
	beats    map[string]Beat
	insights map[keyspace.Name]map[string]*Insight
	// histories are of clusters; the map of a cluster is replaced, and not changed, since fleets have it.
	histories map[string]map[string]view.History
	notice    Notice
	// healed is when Redis was last in trouble: heartbeats that it lost meanwhile may be on their way.
	healed time.Time
	// partial holds the views that were seen incomplete: what they dropped may come back.
	partial map[keyspace.Name]bool
	// looked says that the insights of the fleet were seen complete.
	looked bool
	// wired is that of the last fleet; the next one has it, too, unless what it is made from changed, of which rewired counts how often.
	wired   *wiring
	rewired int
	current *Fleet        // nil when something changed since
	moved   chan struct{} // closed, and replaced, when something changes
}

func newMirror(log *slog.Logger, store *keyspace.Store) (*mirror, error) {
	m := &mirror{
		log: log, store: store, clusters: map[string]view.Cluster{}, rows: map[string]*rows{},
		beats: map[string]Beat{}, partial: map[keyspace.Name]bool{}, moved: make(chan struct{}),
		insights: map[keyspace.Name]map[string]*Insight{}, synced: make(chan struct{}),
		histories: map[string]map[string]view.History{},
	}
	var err error
	m.replica, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[view.Record]{
		Kinds: []string{view.KindView}, Decode: view.DecodeRecord, OnChange: m.changed,
	})
	if err != nil {
		return nil, err
	}
	m.found, err = keyspace.NewReplica(store, keyspace.ReplicaConfig[insight.Insight]{
		Kinds: []string{view.KindInsight}, OnChange: m.foundChanged,
		Decode: func(_ string, value []byte) (i insight.Insight, err error) { return i, json.Unmarshal(value, &i) },
	})
	return m, err
}

// fleet returns the newest fleet, and a channel that is closed when there is a newer one.
func (m *mirror) fleet() (*Fleet, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		m.current = m.build()
	}
	return m.current, m.moved
}

func (m *mirror) build() *Fleet {
	f := &Fleet{Notice: m.notice, Histories: maps.Clone(m.histories)}
	for _, name := range slices.Sorted(maps.Keys(m.clusters)) {
		c := &Cluster{Name: name, Cluster: m.clusters[name], Beat: m.beats[name]}
		c.Expected = !c.Seen() && !c.Beat.Alive
		if r := m.rows[name]; r != nil {
			c.Items, c.wired = r.list(), r.wired
		}
		f.Clusters = append(f.Clusters, c)
	}
	for _, some := range m.insights {
		f.Insights = slices.AppendSeq(f.Insights, maps.Values(some))
	}
	sortInsights(f.Insights)
	f.Looked = m.looked
	if !m.wired.isOf(f.Clusters) {
		m.wired = &wiring{clusters: f.Clusters}
	}
	f.wired = m.wired
	return f
}

// move says that there is a newer fleet. The caller holds mu.
func (m *mirror) move() {
	m.current = nil
	close(m.moved)
	m.moved = make(chan struct{})
}

func (m *mirror) changed(e keyspace.Event[view.Record]) {
	var whole map[string]view.Record
	m.mu.Lock()
	defer m.mu.Unlock()
	if !e.Meta.Complete {
		m.partial[e.Name] = true
	} else if m.partial[e.Name] {
		delete(m.partial, e.Name)
		m.replica.View(func(v keyspace.View[view.Record]) { whole = maps.Collect(v.All(e.Name)) })
	}
	if e.Name == view.ClustersName {
		m.changeClusters(e, whole)
	} else if cluster, ok := view.ClusterOfResources(e.Name); ok {
		m.changeRows(cluster, e, whole)
	} else if cluster, ok := view.ClusterOfHistory(e.Name); ok {
		m.changeHistories(cluster, e, whole)
	}
	m.move()
}

func (m *mirror) changeClusters(e keyspace.Event[view.Record], whole map[string]view.Record) {
	for _, c := range e.Changes {
		switch {
		case c.HasNew && c.New.Cluster != nil:
			m.clusters[c.Key] = *c.New.Cluster
		case e.Meta.Complete:
			m.forget(c.Key)
		}
	}
	if whole != nil {
		for name := range m.clusters {
			if _, ok := whole[name]; !ok {
				m.forget(name)
			}
		}
	}
}

// forget takes a cluster away that was deregistered. Its rows and histories go as their keyspaces are emptied or dropped.
func (m *mirror) forget(cluster string) {
	delete(m.clusters, cluster)
	delete(m.beats, cluster)
	if of := view.SourceName(view.KindInsight, cluster); of != view.FleetInsightsName {
		delete(m.insights, of)
	}
	m.replica.View(func(v keyspace.View[view.Record]) {
		if rows, err := view.ResourcesName(cluster); err == nil && !v.Meta(rows).Exists() {
			delete(m.rows, cluster)
		}
		if past, err := view.HistoryName(cluster); err == nil && !v.Meta(past).Exists() {
			delete(m.histories, cluster)
		}
	})
}

// dropped reports whether a keyspace vanished because its cluster is no part of the fleet any more.
func (m *mirror) dropped(cluster string, meta keyspace.Meta) bool {
	_, shown := m.clusters[cluster]
	return !shown && !meta.Exists()
}

// foundChanged takes insights. Those of a keyspace that vanished stay as they were: it is written again, or says that they
// are gone. While a keyspace is not complete, what it does not show stays, too.
func (m *mirror) foundChanged(e keyspace.Event[insight.Insight]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !e.Meta.Exists() {
		if m.dropped(e.Name.Instance(), e.Meta) && e.Name != view.FleetInsightsName {
			delete(m.insights, e.Name)
			m.move()
		}
		return
	}
	now := map[string]*Insight{}
	if !e.Meta.Complete {
		maps.Copy(now, m.insights[e.Name])
	}
	m.found.View(func(v keyspace.View[insight.Insight]) {
		for key, i := range v.All(e.Name) {
			now[key] = &Insight{Key: key, Insight: i}
		}
	})
	m.insights[e.Name] = now
	m.looked = m.looked || e.Meta.Complete && e.Name == view.FleetInsightsName
	m.move()
}

// changeHistories takes what became of objects. The past of a keyspace that vanished stays.
func (m *mirror) changeHistories(cluster string, e keyspace.Event[view.Record], whole map[string]view.Record) {
	if !e.Meta.Exists() {
		delete(m.partial, e.Name) // what is whole again is so without its past
		if m.dropped(cluster, e.Meta) {
			delete(m.histories, cluster)
		}
		return
	}
	next := maps.Clone(m.histories[cluster])
	if next == nil {
		next = map[string]view.History{}
	}
	for _, c := range e.Changes {
		switch {
		case c.HasNew && c.New.History != nil:
			next[c.Key] = *c.New.History
		case e.Meta.Complete:
			delete(next, c.Key)
		}
	}
	if whole != nil {
		maps.DeleteFunc(next, func(key string, _ view.History) bool { _, ok := whole[key]; return !ok })
	}
	m.histories[cluster] = next
}

// run follows until ctx ends, and looks for heartbeats at every interval.
func (m *mirror) run(ctx context.Context, every time.Duration) error {
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() {
		for _, synced := range []<-chan struct{}{m.replica.Synced(), m.found.Synced()} {
			select {
			case <-synced:
			case <-ctx.Done():
				return
			}
		}
		close(m.synced)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			m.look(ctx)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return process.Together(ctx, m.replica.Run, m.found.Run)
}

// look reads the heartbeats, which make no events, and writes one: so it learns whether Redis can be read and written.
func (m *mirror) look(ctx context.Context) {
	const patience, lasts = 2 * time.Second, 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.mu.Lock()
	names := make([]keyspace.Name, 0, len(m.clusters))
	for cluster := range m.clusters {
		names = append(names, view.SourceName(view.KindSnapshot, cluster))
	}
	m.mu.Unlock()
	if len(names) == 0 {
		names = append(names, view.ClustersName) // to hear whether Redis answers
	}
	live, err := m.store.Beats(ctx, names...)
	if err == nil {
		err = m.store.Beat(ctx, view.ClustersName, nil, lasts)
	}
	m.heard(names, live, err, time.Now())
}

// grace is how long after a trouble of Redis a missing heartbeat says nothing: agents write one every few seconds.
const grace = 10 * time.Second

// heard takes heartbeats, or why there are none, and moves on where that is news.
func (m *mirror) heard(names []keyspace.Name, live map[keyspace.Name][]byte, err error, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	news := m.notice.hear(err, now)
	if err != nil {
		m.healed = now
		if news {
			m.move()
		}
		return // nobody could write a heartbeat: that there is none says nothing
	}
	for _, name := range names {
		before, known := m.beats[name.Instance()]
		beat := Beat{Version: before.Version}
		if info, alive := live[name]; alive {
			beat = parseBeat(info)
		} else if before.Alive && now.Sub(m.healed) < grace {
			continue
		}
		beat.Since = now
		if known && before.Alive == beat.Alive {
			beat.Since = before.Since
		}
		if !known || !before.equal(beat) {
			m.beats[name.Instance()] = beat
			news = true
		}
	}
	if news {
		m.move()
	}
}
