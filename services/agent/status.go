package agent

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// applyStatuses makes the statuses stand as they should. Statuses of objects
// that are gone are left; whoever wrote them will see that they are.
func (p *applier) applyStatuses(ctx context.Context, causes []telemetry.Cause, statuses map[resource.Key]map[string]any, at keyspace.Position) error {
	if last := p.target.LastApplied(statusKind); last.Compare(at) > 0 {
		p.sayRefused(refusedStatus, statusKind, last)
		return nil
	}
	p.snapshot.Delete(refusedStatus)
	live, err := p.target.Statuses(ctx)
	if err != nil {
		return err
	}
	owed := map[resource.Key]map[string]any{} // nil for a status that is to go
	for key, status := range statuses {
		if stamped := stampTransitions(status, live[key], time.Now()); status != nil && !reflect.DeepEqual(stamped, live[key]) {
			owed[key] = stamped
		}
	}
	for key := range live {
		if _, ok := statuses[key]; !ok {
			owed[key] = nil
		}
	}
	ctx, end := p.begin(ctx, "agent.status", p.names.status, at, causes, len(owed))
	var errs []error
	for key, status := range owed {
		err := p.target.SetStatus(ctx, key, status)
		switch {
		case status != nil && errors.Is(err, cluster.ErrGone):
		case status != nil && errors.Is(err, cluster.ErrConflict):
			p.log.WarnContext(ctx, "status is not applied", "key", key.String(), "error", err)
		case err != nil:
			errs = append(errs, err)
		}
	}
	err = errors.Join(append(errs, p.target.SetLastApplied(statusKind, at))...)
	end(err)
	return err
}

// stampTransitions returns a status whose conditions say when they last changed
// their status: what old says where it has the same condition with the same status, now elsewhere.
// Conditions are found at any depth; the lists around them (Gateway API's listeners
// and parents) are matched by what identifies their items.
func stampTransitions(status, old map[string]any, now time.Time) map[string]any {
	stamped, _ := stamp(status, old, "", now).(map[string]any)
	return stamped
}

func stamp(value, old any, field string, now time.Time) any {
	switch v := value.(type) {
	case map[string]any:
		before, _ := old.(map[string]any)
		out := make(map[string]any, len(v)+1)
		for name, below := range v {
			out[name] = stamp(below, before[name], name, now)
		}
		if field == "conditions" {
			out["lastTransitionTime"] = transition(v, before, now)
		}
		return out
	case []any:
		before, _ := old.([]any)
		known := make(map[string]any, len(before))
		for _, item := range before {
			known[identity(item, field)] = item
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = stamp(item, known[identity(item, field)], field, now)
		}
		return out
	default:
		return value
	}
}

func transition(condition, before map[string]any, now time.Time) string {
	if since, ok := before["lastTransitionTime"].(string); ok && before["status"] == condition["status"] {
		return since
	}
	return now.UTC().Format(time.RFC3339)
}

// identity tells the items of a status's list apart.
func identity(item any, field string) string {
	object, _ := item.(map[string]any)
	var id []any
	switch field {
	case "conditions":
		id = []any{object["type"]}
	case "parents":
		id = []any{object["parentRef"], object["controllerName"]}
	case "ancestors":
		id = []any{object["ancestorRef"], object["controllerName"]}
	default:
		id = []any{object["name"]}
	}
	text, err := json.Marshal(id)
	if err != nil {
		return ""
	}
	return string(text)
}
