package materialise

import (
	"context"
	"errors"
	"fmt"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/view"
)

// pass computes what is dirty and writes what is owed; with check, everything is compared with what is stored.
func (m *Materialiser) pass(ctx context.Context, check bool) error {
	if !m.remembered {
		if err := m.remember(ctx); err != nil {
			return err
		}
		m.remembered = true
	}
	var errs []error
	// Others may have written what is wrong by now, and nothing that changed here tells of it.
	errs = append(errs, m.board.refresh(ctx))
	var all []owed
	m.replica.View(func(v keyspace.View[view.Fact]) { all = m.board.compute(v, check) })
	for _, o := range all {
		errs = append(errs, m.write(ctx, o, check)) // whatever becomes of the others
	}
	return errors.Join(errs...)
}

func (m *Materialiser) write(ctx context.Context, o owed, check bool) error {
	if o.left {
		meta, err := m.store.Meta(ctx, o.to.name)
		if err != nil {
			return err
		}
		if !meta.Exists() { // it was dropped: what is written now would stay for ever
			o.to.owed = false
			return nil
		}
	}
	write := o.to.derived.Flush
	if check {
		write = o.to.derived.Check
	}
	if err := write(ctx, o.inputs); err != nil {
		return err
	}
	o.to.owed = false
	return nil
}

// remember reads what the views said of clusters, for those that are not known now.
func (m *Materialiser) remember(ctx context.Context) error {
	err := keyspace.Once(ctx, m.store, keyspace.ReplicaConfig[view.Record]{
		Names: []keyspace.Name{view.ClustersName}, Decode: view.DecodeRecord,
	}, func(v keyspace.View[view.Record]) {
		for name, record := range v.All(view.ClustersName) {
			if record.Cluster != nil {
				m.board.remember(name, *record.Cluster)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("reading the stored clusters: %w", err)
	}
	return nil
}
