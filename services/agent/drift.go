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
	"github.com/meshweir/meshweir/schemas/resource"
)

const (
	// driftRests is how long after a drift the count begins anew.
	driftRests = time.Hour
	// mostDriftFields and mostDriftManagers cap what a report names.
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
	p.log.InfoContext(ctx, "object was changed by hand and is applied again", "key", s.key.String())
	return drifted(last.Drift, s.wanted.object, s.stands, time.Now())
}

// drifted counts one more drift: stands, nil for an object that was deleted, is not what was wanted.
func drifted(before *internalv1.Drift, want, stands *unstructured.Unstructured, now time.Time) *internalv1.Drift {
	now = now.UTC().Truncate(time.Second)
	next := internalv1.Drift{Times: 1, First: now, Last: now}
	if before != nil && now.Sub(before.Last) < driftRests {
		next = *before
		next.Times, next.Last = next.Times+1, now
	}
	if stands != nil {
		var managers []string
		for _, entry := range stands.GetManagedFields() {
			if entry.Manager != resource.ManagedBy {
				managers = append(managers, entry.Manager)
			}
		}
		next.By = merged(next.By, managers, mostDriftManagers)
		next.Fields = merged(next.Fields, differences("", want.Object, withoutPosition(stands.Object)), mostDriftFields)
	}
	return &next
}

// merged returns the texts of both, sorted, each once, and no more than most.
func merged(a, b []string, most int) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), most)]
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
			case wanted != standing:
				found = append(found, at)
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
