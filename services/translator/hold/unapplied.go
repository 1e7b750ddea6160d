package hold

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

// unapplied returns the conditions Conflict and NotApplied of a source, each while there is an object that it is about.
func (h *Hold) unapplied(r *graph.Reader, source inventory.Ref, generation int64) []metav1.Condition {
	var conflicts, others []string
	for _, u := range h.inv.Unapplied(r, source) {
		message := u.Cluster + ": " + u.Object + ": " + u.Message
		if u.Result == internalv1.ResultConflict {
			conflicts = append(conflicts, message)
		} else {
			others = append(others, message)
		}
	}
	var conditions []metav1.Condition
	for _, c := range []struct {
		kind     string
		messages []string
	}{{v1alpha1.ConditionConflict, conflicts}, {v1alpha1.ConditionNotApplied, others}} {
		if len(c.messages) > 0 {
			conditions = append(conditions, output.Condition(c.kind, true, v1alpha1.ReasonCluster, summary(c.messages), generation))
		}
	}
	return conditions
}

// summary names the first of what may be many.
func summary(messages []string) string {
	const most = 3
	if len(messages) <= most {
		return strings.Join(messages, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(messages[:most], "; "), len(messages)-most)
}
