package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

const (
	// driftRests is how long after a drift the count begins anew.
	driftRests = time.Hour
	// These cap what a report names.
	mostDriftFields, mostDriftManagers = 8, 8
)

// noteDrift counts an object that was applied as it should stand, and stands otherwise now. It returns what is to be reported of that.
func (p *applier) noteDrift(ctx context.Context, s step) *internalv1.Drift {
	last := p.reported[s.key]
	if last.Result != internalv1.ResultApplied || last.Hash != s.wanted.hash {
		return last.Drift
	}
	p.vitals.drift.Add(ctx, 1, metric.WithAttributes(p.vitals.cluster))
	p.vitals.update(func(b *internalv1.Heartbeat) { b.Drift++ })
	var by []internalv1.FieldManager
	if s.stands != nil {
		by = p.target.ChangedBy(s.wanted.object)
	}
	p.log.InfoContext(ctx, "object was changed by others and is applied again", "key", s.key.String(), "by", by)
	return drifted(last.Drift, s.wanted.object, s.stands, by, time.Now())
}

// drifted counts one more drift: stands, nil for an object that was deleted, is not what was wanted, because of managers, where these are known.
func drifted(before *internalv1.Drift, want, stands *unstructured.Unstructured, by []internalv1.FieldManager, now time.Time) *internalv1.Drift {
	now = now.UTC().Truncate(time.Second)
	next := internalv1.Drift{Times: 1, First: now, Last: now}
	if before != nil && now.Sub(before.Last) < driftRests {
		next = *before
		next.Times, next.Last = next.Times+1, now
	}
	if len(by) == 0 {
		next.Unnamed++
	}
	next.By = latest(next.By, by)
	if stands != nil {
		fields := slices.Concat(next.Fields, differing(want.Object, withoutPosition(stands.Object)))
		slices.Sort(fields)
		fields = slices.Compact(fields)
		next.Fields = fields[:min(len(fields), mostDriftFields)]
	}
	return &next
}

// latest returns the managers of both, each once for an operation, the latest first.
func latest(before, by []internalv1.FieldManager) []internalv1.FieldManager {
	var all []internalv1.FieldManager
	for _, m := range slices.Concat(by, before) { // those of now have the later times
		if !slices.ContainsFunc(all, func(o internalv1.FieldManager) bool { return o.Name == m.Name && o.Operation == m.Operation }) {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b internalv1.FieldManager) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), mostDriftManagers)]
}

// differing returns the paths of the fields in which what stands is not what was wanted, but for what servers add.
func differing(want, stands map[string]any) (paths []string) {
	for _, d := range resource.Differences(want, stands) {
		if field, ok := strings.CutPrefix(d.Path, "metadata."); !ok || !d.Added || strings.Contains(field, ".") {
			paths = append(paths, d.Path)
		}
	}
	return paths
}
