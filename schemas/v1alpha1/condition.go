package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Severity is what a condition says of its object.
type Severity string

// The severities, worst first.
const (
	// SeverityError means that something is not in force.
	SeverityError Severity = "error"
	// SeverityWarning means that what was last good is in force.
	SeverityWarning Severity = "warning"
	// SeverityNotice means that the object works, and that somebody should know of something.
	SeverityNotice Severity = "notice"
	// SeverityNone means that nothing is wrong, or that nobody knows.
	SeverityNone Severity = ""
)

// SeverityOf returns what a condition says: most are bad when they are False, those of Gateway API and ours that
// are named here when they are True.
func SeverityOf(conditionType, status string) Severity {
	severity, bad := SeverityError, metav1.ConditionTrue
	switch conditionType {
	case ConditionConflict, ConditionNotApplied, ConditionTrustMismatch, ConditionConflicted, "Detached", "PartiallyInvalid":
	case ConditionInputMissing:
		severity = SeverityWarning
	case "OverlappingTLSConfig":
		severity = SeverityNotice
	default:
		bad = metav1.ConditionFalse
	}
	if status != string(bad) {
		return SeverityNone
	}
	return severity
}
