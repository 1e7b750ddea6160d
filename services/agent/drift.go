package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
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
		fields := slices.Concat(next.Fields, differences("", want.Object, withoutPosition(stands.Object)))
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

// differences returns the paths of the fields in which two values differ, as far down as both are of one kind.
func differences(path string, want, stands any) []string {
	switch want := want.(type) {
	case map[string]any:
		stands, ok := stands.(map[string]any)
		if !ok {
			return []string{path}
		}
		var found []string
		names := maps.Clone(want)
		maps.Copy(names, stands)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			at := name
			if path != "" {
				at = path + "." + name
			}
			w, wanted := want[name]
			s, standing := stands[name]
			switch {
			case path == "metadata" && !wanted: // what servers add
			case !wanted:
				found = append(found, at)
			case !standing:
				found = append(found, leaves(at, w)...)
			default:
				found = append(found, differences(at, w, s)...)
			}
		}
		return found
	case []any:
		stands, ok := stands.([]any)
		if !ok || len(stands) != len(want) {
			return []string{path}
		}
		var found []string
		for i := range want {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), want[i], stands[i])...)
		}
		return found
	}
	if !same(want, stands) {
		return []string{path}
	}
	return nil
}

// leaves returns the paths of the fields of a value that is missing as a whole: of a real cluster, all that others hold of it is.
func leaves(path string, value any) (found []string) {
	fields, _ := value.(map[string]any)
	if len(fields) == 0 {
		return []string{path}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		found = append(found, leaves(path+"."+name, fields[name])...)
	}
	return found
}
