package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// outputDrifts is CFG0117.
func outputDrifts(r *fleet.Reader, subject fleet.Ref, settings Settings) Result {
	report, _ := r.Report(subject)
	drift := report.Drift
	if drift == nil || drift.Times < settings.DriftTimes {
		return Result{}
	}
	if _, over := r.Since(drift.Last, settings.DriftWithin); over {
		return Result{}
	}
	f := Finding{
		Target: subject, Summary: fmt.Sprintf("%s is changed by %s, and applied again by Meshweir each time", subject.Text(), whoDrifts(*drift)),
		Evidence: []insight.Evidence{
			{
				Says: "the agent applied it again, because it had been changed or deleted", Source: subject.Insight(), Value: fmt.Sprintf("%d times", drift.Times),
			},
			{
				Says: "from, to", Source: subject.Insight(), Value: drift.First.UTC().Format(time.RFC3339) + ", " + drift.Last.UTC().Format(time.RFC3339),
			},
		},
	}
	for _, by := range drift.By {
		value := by.Operation
		if !by.Time.IsZero() {
			value += ", " + by.Time.UTC().Format(time.RFC3339)
		}
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "changed by " + by.Name, Source: subject.Insight(), Field: "metadata.managedFields", Value: value})
	}
	if drift.Unnamed > 0 {
		f.Evidence = append(f.Evidence, insight.Evidence{
			Says:   "by whom is not known: who takes a field or the object away leaves no name, and files have none",
			Source: subject.Insight(), Value: fmt.Sprintf("%d of %d times", drift.Unnamed, drift.Times),
		})
	}
	for _, field := range drift.Fields {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "this was not as the output wants it", Source: subject.Insight(), Field: field})
	}
	find := insight.Step{
		Do:       "Find out who writes the object: a GitOps tool that has it in its repository too, a controller, a person.",
		Commands: []string{kubectl(subject, "get "+plural(subject)+" "+subject.Key.Name) + " -o yaml --show-managed-fields"},
	}
	f.Remedy = []insight.Step{
		find,
		{Do: "Let them leave this object alone: exclude what has the label app.kubernetes.io/managed-by=meshweir. What they want to change belongs into the resource that the object is made from, which its annotation meshweir.io/sources names."},
	}
	return f.only()
}

// whoDrifts names those who changed an object.
func whoDrifts(drift internalv1.Drift) string {
	var who []string
	for _, by := range drift.By {
		if !slices.Contains(who, by.Name) { // with each operation
			who = append(who, by.Name)
		}
	}
	if drift.Unnamed > 0 || len(who) == 0 {
		who = append(who, "somebody who is not known")
	}
	return strings.Join(who, " and ")
}

// only returns a result of one finding.
func (f Finding) only() Result { return Result{Found: []Finding{f}} }
