package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
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
	by, who := strings.Join(drift.By, ", "), "somebody"
	if by != "" {
		who = by
	}
	f := Finding{
		Target: subject, Summary: fmt.Sprintf("%s changes %s, which Meshweir applies again each time", who, subject.Text()),
		Evidence: []insight.Evidence{
			{
				Says: "the agent applied it again, because it had been changed or deleted", Source: subject.Insight(), Value: fmt.Sprintf("%d times", drift.Times),
			},
			{
				Says: "from, to", Source: subject.Insight(), Value: drift.First.UTC().Format(time.RFC3339) + ", " + drift.Last.UTC().Format(time.RFC3339),
			},
		},
	}
	if by != "" {
		f.Evidence = append(f.Evidence, insight.Evidence{Says: "field managers that wrote it", Source: subject.Insight(), Field: "metadata.managedFields", Value: by})
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

// only returns a result of one finding.
func (f Finding) only() Result { return Result{Found: []Finding{f}} }
