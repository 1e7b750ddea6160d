package offline

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/folder"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/insights/check"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// configuration begins the codes of checks of what is written, rather than of what runs.
const configuration = "CFG"

// insightsOf returns what the checks of insights say of the manifests. All of it is minor: what they miss may be in a cluster and in no folder.
func insightsOf(contents map[string]folder.Content) []Finding {
	checks := slices.DeleteFunc(check.Table(), func(c check.Check) bool { return !strings.HasPrefix(c.Code, configuration) })
	e := insights.NewEngine(checks, check.Settings{})
	for name, content := range contents {
		e.Fleet.SetState(name, fleet.State{Seen: true})
		for key, value := range content.Objects {
			object, _ := fleet.Decode(key.String(), value) // what cannot be read is told of elsewhere
			object.Key = key
			e.Fleet.Put(name, object)
		}
	}
	e.Update(time.Time{})
	var found []Finding
	for said := range maps.Values(e.Insights()) {
		key, err := resource.ParseKey(said.Target.Object)
		if err != nil { // of a cluster as a whole
			continue
		}
		f := Finding{
			Cluster: said.Target.Cluster, Object: said.Target.Object, Condition: said.Code, Reason: said.Title, Message: said.Summary, Minor: true,
		}
		f.File, f.Line = contents[f.Cluster].Place(key, fieldOf(fieldIn(said))...)
		found = append(found, f)
	}
	return found
}

// fieldIn returns the first field of the target that is evidence, or "".
func fieldIn(said insight.Insight) string {
	for _, e := range said.Evidence {
		if e.Source == said.Target && e.Field != "" {
			return e.Field
		}
	}
	return ""
}

// unsaid drops what a condition of the same route says already: that a backend is not there.
func unsaid(found, conditions []Finding) []Finding {
	return slices.DeleteFunc(found, func(f Finding) bool {
		return f.Condition == "CFG0101" && slices.ContainsFunc(conditions, func(c Finding) bool {
			return c.Cluster == f.Cluster && c.Object == f.Object && c.Condition == "ResolvedRefs=False"
		})
	})
}
