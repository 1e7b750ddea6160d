package translator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// input is one value of a keyspace that is followed: an object of a snapshot, or what the registry says of a cluster.
type input struct {
	Object
	// membership is what the registry says.
	membership internalv1.Membership
	// applied is the position of the output that the object was applied from; zero for an object that Meshweir did not write.
	applied keyspace.Position
}

// appliedKind is the kind of the keyspace that applied is a position of.
func (i input) appliedKind() string {
	if i.Key.Kind == internalv1.KindRefusedOutput && i.Key.Name == statusKind {
		return statusKind
	}
	return outputKind
}

// decode never refuses an object: one that cannot be read is reported on the object itself. Of a cluster whose entry in
// the registry cannot be read, the last one counts.
func (t *Translator) decode(key string, value []byte) (input, error) {
	if !strings.Contains(key, "/") { // the name of a cluster, and so of the registry: all that a snapshot holds has a slash
		var m internalv1.Membership
		err := json.Unmarshal(value, &m)
		return input{membership: m}, err
	}
	object, err := Decode(key, value)
	if err != nil {
		t.log.Debug("an object cannot be read and counts as absent", "key", key, "error", err)
	}
	return input{Object: object, applied: appliedFrom(value)}, nil
}

// appliedFrom reads the agent's mark on a live object.
func appliedFrom(value []byte) keyspace.Position {
	p, err := keyspace.ParsePosition(resource.AppliedFrom(value))
	if err != nil {
		return keyspace.Position{} // none, or somebody's own annotation: it proves nothing
	}
	return p
}

// changed notes a step of a keyspace that is followed. What no event tells of asks for a pass itself.
func (t *Translator) changed(e keyspace.Event[input]) {
	t.mu.Lock()
	t.pending = append(t.pending, e)
	t.mu.Unlock()
	t.worker.Note(e.Causes...)
	if e.Relisted != "" {
		t.worker.Ask(e.Causes...)
	}
}

// pass tells the engine what changed, and writes what comes of it.
func (t *Translator) pass(ctx context.Context, check bool) error {
	t.mu.Lock()
	pending := t.pending
	t.pending = nil
	t.mu.Unlock()
	for _, e := range pending {
		t.tell(e)
	}
	var errs []error
	touched := t.engine.Update()
	describe(ctx, pending, touched)
	for _, cluster := range touched.Vanished {
		delete(t.targets, cluster)
	}
	for _, cluster := range touched.Clusters() {
		errs = append(errs, t.stage(cluster, touched))
	}
	for name, position := range t.seen {
		if target := t.targets[name.Instance()]; target != nil {
			errs = append(errs, target.to(name.Kind()).Seen(ctx, position))
			target.owed = true
			delete(t.seen, name)
		}
	}
	// Others may have written what is wrong by now, and nothing that changed here tells of it.
	errs = append(errs, t.refresh(ctx))
	for cluster, target := range t.targets {
		if !target.owed && !check {
			continue
		}
		if err := t.write(ctx, target, check); err != nil {
			errs = append(errs, fmt.Errorf("writing what %s should have: %w", cluster, err))
			continue
		}
		target.owed = false
	}
	return errors.Join(errs...)
}

// describe says on the pass's span what it was told, and of how much it came to something else.
func describe(ctx context.Context, pending []keyspace.Event[input], touched Touched) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	var inputs []string
	changes, objects, statuses := 0, 0, 0
	for _, e := range pending {
		inputs = append(inputs, fmt.Sprintf("%s@%s", e.Name, e.Meta.Position))
		changes += len(e.Changes)
	}
	for _, keys := range touched.Objects {
		objects += len(keys)
	}
	for _, keys := range touched.Statuses {
		statuses += len(keys)
	}
	const most = 20 // a span is no log
	span.SetAttributes(
		attribute.StringSlice("meshweir.inputs", inputs[:min(len(inputs), most)]), attribute.Int("meshweir.changes", changes),
		attribute.StringSlice("meshweir.clusters", touched.Clusters()),
		attribute.Int("meshweir.objects", objects), attribute.Int("meshweir.statuses", statuses))
}

// refresh reads what other translators have written.
func (t *Translator) refresh(ctx context.Context) error {
	var all []*keyspace.Derived
	owners := map[*keyspace.Derived]*target{}
	for _, target := range t.targets {
		for _, d := range []*keyspace.Derived{target.objects, target.statuses} {
			all = append(all, d)
			owners[d] = target
		}
	}
	if len(all) == 0 {
		return nil
	}
	moved, err := t.store.Refresh(ctx, all...)
	for _, d := range moved {
		owners[d].owed = true
	}
	return err
}

// tell hands one step of a keyspace to the engine.
func (t *Translator) tell(e keyspace.Event[input]) {
	switch e.Name.Kind() {
	case snapshotKind:
		t.tellSnapshot(e)
	case registryKind:
		t.tellRegistry(e)
	}
	if e.Meta.Exists() {
		t.inputs[e.Name] = e.Meta.Position
	} else {
		delete(t.inputs, e.Name)
	}
}

// tellRegistry says who is deregistered. A registry that Redis forgot names nobody: then everybody is expected.
func (t *Translator) tellRegistry(e keyspace.Event[input]) {
	for _, c := range e.Changes {
		if c.HasNew && c.New.membership.State == internalv1.Deregistered {
			t.deregistered[c.Key] = true
		} else {
			delete(t.deregistered, c.Key)
		}
	}
	t.engine.SetDeregistered(slices.Sorted(maps.Keys(t.deregistered))...)
}

func (t *Translator) tellSnapshot(e keyspace.Event[input]) {
	cluster := e.Name.Instance()
	if !e.Meta.Complete {
		// What is absent from now on is unknown, not gone.
		t.engine.SetComplete(cluster, false)
	}
	changes := make([]Change, 0, len(e.Changes))
	for _, c := range e.Changes {
		changes = append(changes, Change{Key: c.Key, Object: c.New.Object, Deleted: !c.HasNew})
		if name := keyspace.Name(c.New.appliedKind() + "/" + cluster); c.New.applied.Compare(t.seen[name]) > 0 {
			t.seen[name] = c.New.applied
		}
	}
	t.engine.Apply(cluster, changes...)
	if e.Meta.Complete {
		t.engine.SetComplete(cluster, true)
	}
}

// stage puts what the engine wants for a cluster where it is written from.
func (t *Translator) stage(cluster string, touched Touched) error {
	target := t.targets[cluster]
	if target == nil {
		var err error
		if target, err = newTarget(t.store, cluster); err != nil {
			return fmt.Errorf("staging what %s should have: %w", cluster, err)
		}
		t.targets[cluster] = target
	}
	put(target.objects, cluster, touched.Objects[cluster], t.engine.Object)
	put(target.statuses, cluster, touched.Statuses[cluster], t.engine.Status)
	target.objects.Complete()
	target.statuses.Complete()
	target.owed = true
	return nil
}

func put(to *keyspace.Derived, cluster string, keys []resource.Key, wanted func(string, resource.Key) ([]byte, bool)) {
	for _, key := range keys {
		if value, ok := wanted(cluster, key); ok {
			to.Set(key.String(), value)
		} else {
			to.Delete(key.String())
		}
	}
}

func (t *Translator) write(ctx context.Context, target *target, check bool) error {
	var errs []error
	for _, to := range []*keyspace.Derived{target.objects, target.statuses} {
		if check {
			errs = append(errs, to.Check(ctx, t.inputs))
		} else {
			errs = append(errs, to.Flush(ctx, t.inputs))
		}
	}
	return errors.Join(errs...)
}
