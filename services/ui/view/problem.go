package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Condition is a condition of an object, as Gateway API has it.
type Condition struct {
	// Scope is the listener or parent that the condition is about; empty for the object itself.
	Scope string `json:"scope,omitempty"`
	// Type, Status, Reason and Message are those of a metav1.Condition; a long message is cut.
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Problem reports whether the condition says that something is wrong.
func (c Condition) Problem() bool {
	severity := v1alpha1.SeverityOf(c.Type, c.Status)
	return severity == v1alpha1.SeverityError || severity == v1alpha1.SeverityWarning
}

// Notice reports whether the condition says something that one should know of an object that works.
func (c Condition) Notice() bool {
	return v1alpha1.SeverityOf(c.Type, c.Status) == v1alpha1.SeverityNotice
}

// Problem is one thing that is wrong with an object.
type Problem struct {
	Severity v1alpha1.Severity `json:"severity"`
	// Title names the problem in a few words: "Accepted is False: UnsupportedValue".
	Title string `json:"title"`
	// Message says what is wrong and, where known, how to mend it.
	Message string `json:"message,omitempty"`
}

// Problems returns what is wrong with the object, errors first.
func (r *Row) Problems() []Problem {
	var problems []Problem
	if m := r.Manifest; m != nil {
		p := Problem{Severity: v1alpha1.SeverityError, Title: "Manifest is not in force", Message: m.Message}
		if m.LastGood {
			p.Severity, p.Title = v1alpha1.SeverityWarning, "Manifest is broken, its last good state is in force"
		}
		problems = append(problems, p)
	}
	if r.Applied.Problem() {
		title := map[string]string{
			"Error":    "The cluster did not take it",
			"Conflict": "The name is taken by an object that is not Meshweir's",
			"Refused":  "What the cluster holds is newer",
		}[string(r.Applied.Result)]
		problems = append(problems, Problem{v1alpha1.SeverityError, title, r.Applied.Message})
	}
	for _, c := range rootCauses(r.Conditions) {
		severity := v1alpha1.SeverityOf(c.Type, c.Status)
		title := fmt.Sprintf("%s is %s", c.Type, c.Status)
		if c.Reason != "" {
			title += ": " + c.Reason
		}
		if c.Scope != "" {
			title += " (" + c.Scope + ")"
		}
		problems = append(problems, Problem{severity, title, c.Message})
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return severityRank(a.Severity) - severityRank(b.Severity)
	})
	return problems
}

// rootCauses returns the conditions that are problems, without those that only
// follow from another: what a Gateway says of its listeners together, that
// something is not programmed because it is not valid, the same said twice.
func rootCauses(conditions []Condition) []Condition {
	var bad []Condition
	for _, c := range conditions {
		if c.Problem() {
			bad = append(bad, c)
		}
	}
	var roots []Condition
	for _, c := range bad {
		follows := slices.ContainsFunc(bad, func(o Condition) bool {
			switch {
			case c.Type == v1alpha1.ConditionProgrammed:
				return o.Type != v1alpha1.ConditionProgrammed || c.Scope == "" && o.Scope != ""
			case o.Type == v1alpha1.ConditionProgrammed:
				return false
			default:
				return c.Scope == "" && o.Scope != "" && strings.HasPrefix(c.Reason, "Listeners")
			}
		})
		said := slices.ContainsFunc(roots, func(o Condition) bool { return o.Scope == c.Scope && o.Reason == c.Reason && o.Message == c.Message })
		if !follows && !said {
			roots = append(roots, c)
		}
	}
	return roots
}

func severityRank(s v1alpha1.Severity) int {
	if s == v1alpha1.SeverityError {
		return 0
	}
	return 1
}
