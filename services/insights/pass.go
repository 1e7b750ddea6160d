package insights

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/insights/check"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// target is a keyspace of insights that is written.
type target struct {
	derived *keyspace.Derived
	// owed says that something is to be written; isNew, that nothing is staged yet.
	owed, isNew bool
}

// queue keeps a step for the next pass, and asks for one soon; at once for what no event tells of.
func queue[T any](s *Insights, e keyspace.Event[T], tell func()) {
	s.mu.Lock()
	s.pending = append(s.pending, tell)
	s.mu.Unlock()
	s.worker.Note(e.Causes...)
	if e.Relisted != "" {
		s.worker.Ask(e.Causes...)
	}
}

func (s *Insights) hearSource(e keyspace.Event[source]) {
	queue(s, e, func() {
		s.follow(e.Name, e.Meta)
		if e.Name.Kind() == registryKind {
			s.tellRegistry(e)
		} else {
			s.tellSnapshot(e)
		}
	})
}

func (s *Insights) hearReport(e keyspace.Event[internalv1.Applied]) {
	queue(s, e, func() {
		s.follow(e.Name, e.Meta)
		s.tellReports(e)
	})
}

// hearStored asks for no pass: what others wrote of the insights is no reason to look at the fleet again. The next pass compares.
func (s *Insights) hearStored(e keyspace.Event[insight.Insight]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, func() { s.tellStored(e) })
}

func (s *Insights) follow(name keyspace.Name, meta keyspace.Meta) {
	if meta.Exists() {
		s.inputs[name] = meta.Position
	} else {
		delete(s.inputs, name)
	}
}

// tellRegistry says who belongs to the fleet. A registry that Redis forgot says nothing: then everybody does.
func (s *Insights) tellRegistry(e keyspace.Event[source]) {
	for _, c := range e.Changes {
		if c.HasNew {
			s.members[c.Key] = c.New.membership
		} else {
			delete(s.members, c.Key)
		}
		s.setState(c.Key, s.engine.Fleet.State(c.Key).Seen)
	}
}

func (s *Insights) setState(cluster string, seen bool) {
	s.engine.Fleet.SetState(cluster, fleet.State{Seen: seen, Member: s.members[cluster]})
	s.ears.add(cluster)
}

func (s *Insights) tellSnapshot(e keyspace.Event[source]) {
	cluster := e.Name.Instance()
	if !e.Meta.Complete {
		s.setState(cluster, false) // what is absent from now on is unknown, not gone
	}
	for _, c := range e.Changes {
		if c.HasNew {
			s.engine.Fleet.Put(cluster, c.New.object)
		} else if key, err := resource.ParseKey(c.Key); err == nil {
			s.engine.Fleet.Delete(fleet.Ref{Cluster: cluster, Key: key})
		}
	}
	if e.Meta.Complete {
		s.setState(cluster, true)
	}
}

// tellReports says what agents report. Reports that vanished are what they were, until the agent reports all again.
func (s *Insights) tellReports(e keyspace.Event[internalv1.Applied]) {
	cluster := e.Name.Instance()
	if !e.Meta.Exists() {
		s.lost[cluster] = map[resource.Key]bool{}
		return
	}
	again, lost := s.lost[cluster]
	for _, c := range e.Changes {
		key, err := resource.ParseKey(c.Key)
		if err != nil {
			continue
		}
		if lost {
			again[key] = c.HasNew
		}
		report := &c.New
		if !c.HasNew {
			report = nil
		}
		s.engine.Fleet.SetReport(fleet.Ref{Cluster: cluster, Key: key}, report)
	}
	if lost && e.Meta.Complete {
		delete(s.lost, cluster)
		for _, key := range s.engine.Fleet.Reports(cluster) {
			if !again[key] {
				s.engine.Fleet.SetReport(fleet.Ref{Cluster: cluster, Key: key}, nil)
			}
		}
	}
}

// tellStored notes what Redis holds of the insights. What it lost is not forgotten here.
func (s *Insights) tellStored(e keyspace.Event[insight.Insight]) {
	if !e.Meta.Exists() {
		delete(s.ledger.stored, e.Name)
		return
	}
	if e.Name != FleetName { // whoever made it knew the cluster, though Redis may have lost its snapshot since
		cluster := e.Name.Instance()
		s.setState(cluster, s.engine.Fleet.State(cluster).Seen)
	}
	for _, c := range e.Changes {
		s.ledger.see(e.Name, c.Key, c.New)
		s.engine.Remember(c.Key, c.New)
		s.seen[c.Key] = struct{}{}
	}
}

// pass tells the engine what changed, and writes what comes of it.
func (s *Insights) pass(ctx context.Context, check bool) error {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, tell := range pending {
		tell()
	}
	now := time.Now()
	if _, err := s.ears.listen(ctx, now); err != nil { // without it, everybody would seem silent
		return fmt.Errorf("listening for agents: %w", err)
	}
	var errs []error
	for cluster, agent := range s.ears.all() {
		s.engine.Fleet.SetAgent(cluster, agent)
	}
	changed := s.engine.Update(now)
	s.setNext(s.engine.Next())
	s.aim()
	for _, id := range changed {
		s.seen[id] = struct{}{}
	}
	for id := range s.seen {
		errs = append(errs, s.stage(id, now))
	}
	clear(s.seen)
	errs = append(errs, s.refresh(ctx), s.stageNew(now))
	s.gauge.set(s.engine.says)
	for _, name := range slices.Sorted(maps.Keys(s.targets)) {
		errs = append(errs, s.write(ctx, name, check))
	}
	return errors.Join(errs...)
}

// nameOf returns the keyspace of an insight.
func nameOf(id string) keyspace.Name {
	_, cluster, ofObject := check.ParseID(id)
	if !ofObject {
		return FleetName
	}
	return keyspace.Name(Kind + "/" + cluster) // the cluster has a snapshot, so that its name is good
}

// aim has a target for each keyspace that is to be written: of what is said, of each cluster that was seen, also of one that went out of
// sight before that was written, by which other replicas know it, and of what is stored, so that it goes if it no longer holds. A cluster
// that was deregistered gets none: what is known of it is dropped.
func (s *Insights) aim() {
	wanted := map[keyspace.Name]bool{FleetName: true}
	for _, cluster := range s.engine.Fleet.Clusters() {
		name := keyspace.Name(Kind + "/" + cluster)
		if state := s.engine.Fleet.State(cluster); state.Expected() && (state.Seen || s.targets[name] != nil) {
			wanted[name] = true
		}
	}
	for id := range s.engine.says {
		wanted[nameOf(id)] = true
	}
	for name, stored := range s.ledger.stored {
		if len(stored) > 0 {
			wanted[name] = true
		}
	}
	for name := range s.targets {
		if !wanted[name] {
			delete(s.targets, name)
		}
	}
	for name := range wanted {
		if s.targets[name] == nil {
			s.targets[name] = &target{derived: s.store.Derived(name), owed: true, isNew: true}
		}
	}
}

// stage puts what is said under an ID where it is written from.
func (s *Insights) stage(id string, now time.Time) error {
	name := nameOf(id)
	said, ok := s.engine.Insight(id)
	if !ok {
		s.ledger.close(id)
	}
	t := s.targets[name]
	switch {
	case t == nil: // nothing of it is stored
		return nil
	case !ok:
		t.derived.Delete(id)
	default:
		value, err := s.ledger.date(name, id, said, now)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", id, err)
		}
		t.derived.Set(id, value)
	}
	t.owed = true
	return nil
}

// stageNew stages all of the targets that are new.
func (s *Insights) stageNew(now time.Time) error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.targets)), func(t *target) bool { return t.isNew }) {
		return nil
	}
	var errs []error
	for id := range s.engine.says {
		if t := s.targets[nameOf(id)]; t.isNew {
			errs = append(errs, s.stage(id, now))
		}
	}
	for _, t := range s.targets {
		if t.isNew {
			t.isNew, t.owed = false, true
			t.derived.Complete()
		}
	}
	return errors.Join(errs...)
}

// refresh reads what other replicas have written.
func (s *Insights) refresh(ctx context.Context) error {
	all := map[*keyspace.Derived]*target{}
	for _, t := range s.targets {
		all[t.derived] = t
	}
	moved, err := s.store.Refresh(ctx, slices.Collect(maps.Keys(all))...)
	for _, d := range moved {
		all[d].owed = true
	}
	return err
}

func (s *Insights) write(ctx context.Context, name keyspace.Name, check bool) error {
	t := s.targets[name]
	if name != FleetName && !s.engine.Fleet.State(name.Instance()).Expected() {
		meta, err := s.store.Meta(ctx, name)
		if err != nil || !meta.Exists() { // it was dropped: what is written now would stay for ever
			return err
		}
	}
	write := t.derived.Flush
	switch {
	case check:
		write = t.derived.Check
	case !t.owed:
		return nil
	}
	if err := write(ctx, maps.Clone(s.inputs)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	t.owed = false
	return nil
}
