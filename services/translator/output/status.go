package output

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Status returns the value of a key in status/<cluster>. Conditions carry no
// lastTransitionTime: who applies the status knows when a condition changed.
func Status(generation int64, status any) []byte {
	body, _ := json.Marshal(status) // the types of the Gateway API and of meshweir.io marshal
	tree := generic(body)
	dropTimes(tree)
	return JSON(map[string]any{"observedGeneration": generation, "status": tree})
}

func dropTimes(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "lastTransitionTime")
		for _, inner := range v {
			dropTimes(inner)
		}
	case []any:
		for _, inner := range v {
			dropTimes(inner)
		}
	}
}

// Condition returns a condition. Kind and reason are any of the text types that the Gateway API has for them.
func Condition[T, R ~string](kind T, holds bool, reason R, message string, generation int64) metav1.Condition {
	status := metav1.ConditionFalse
	if holds {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{
		Type: string(kind), Status: status, Reason: string(reason), Message: clip(message), ObservedGeneration: generation,
	}
}

// maxMessage is what the API server takes as the message of a condition.
const maxMessage = 32768

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return message[:maxMessage-3] + "..."
}
