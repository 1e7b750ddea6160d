package agent

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// blame adds to the statuses of a cluster's objects what became of the output that was made from them: the conditions
// Conflict and NotApplied, each while there is an object that they are about. Objects of other clusters are
// not reached from here; applied/<cluster> has the whole story.
func blame(statuses map[resource.Key]map[string]any, cluster string, output map[resource.Key]wanted, reported map[resource.Key]internalv1.Applied) {
	told := map[resource.Key]map[string][]string{} // source → condition → messages
	for key, record := range reported {
		condition, found := conditionOf(record.Result)
		if !found {
			continue
		}
		w := output[key]
		if w.object == nil {
			continue
		}
		for source := range strings.SplitSeq(w.object.GetAnnotations()[resource.SourcesAnnotation], ",") {
			text, isOurs := strings.CutPrefix(source, cluster+":")
			of, err := resource.ParseKey(text)
			if !isOurs || err != nil || statuses[of] == nil {
				continue
			}
			if told[of] == nil {
				told[of] = map[string][]string{}
			}
			told[of][condition] = append(told[of][condition], key.String()+": "+record.Message)
		}
	}
	for of, conditions := range told {
		status := runtime.DeepCopyJSON(statuses[of])
		for _, condition := range []string{v1alpha1.ConditionConflict, v1alpha1.ConditionNotApplied} {
			if messages := conditions[condition]; messages != nil {
				addCondition(status, condition, summary(messages))
			}
		}
		statuses[of] = status
	}
}

// conditionOf returns the condition that says what became of an object, where that is not well.
func conditionOf(result internalv1.Result) (condition string, found bool) {
	switch result {
	case internalv1.ResultConflict:
		return v1alpha1.ConditionConflict, true
	case internalv1.ResultError, internalv1.ResultRefused:
		return v1alpha1.ConditionNotApplied, true
	default:
		return "", false
	}
}

// addCondition adds a condition that is True to a status; to a route's, beside the conditions of each parent.
func addCondition(status map[string]any, condition, message string) {
	places := []any{status}
	if parents, ok := status["parents"].([]any); ok {
		places = parents
	}
	for _, place := range places {
		place, ok := place.(map[string]any)
		if !ok {
			continue
		}
		conditions, _ := place["conditions"].([]any)
		added := map[string]any{"type": condition, "status": "True", "reason": v1alpha1.ReasonCluster, "message": message}
		if len(conditions) > 0 {
			first, _ := conditions[0].(map[string]any)
			if generation, ok := first["observedGeneration"]; ok {
				added["observedGeneration"] = generation
			}
		}
		place["conditions"] = append(conditions, added)
	}
}

// summary names a few of many failures, always the same ones.
func summary(messages []string) string {
	const most, longest = 3, 30_000
	slices.Sort(messages)
	if n := len(messages); n > most {
		messages = append(messages[:most:most], fmt.Sprintf("and %d more", n-most))
	}
	text := strings.Join(messages, "; ")
	return strings.ToValidUTF8(text[:min(len(text), longest)], "")
}
