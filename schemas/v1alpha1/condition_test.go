package v1alpha1_test

import (
	"testing"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

func TestConditionsAreBadAtOneStatus(t *testing.T) {
	tests := []struct {
		name      string
		whenTrue  v1alpha1.Severity
		whenFalse v1alpha1.Severity
	}{
		{"Accepted", v1alpha1.SeverityNone, v1alpha1.SeverityError},
		{"ResolvedRefs", v1alpha1.SeverityNone, v1alpha1.SeverityError},
		{"Programmed", v1alpha1.SeverityNone, v1alpha1.SeverityError},
		{"Another", v1alpha1.SeverityNone, v1alpha1.SeverityError},
		{"InputMissing", v1alpha1.SeverityWarning, v1alpha1.SeverityNone},
		{"TrustMismatch", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"Conflict", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"NotApplied", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"Conflicted", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"Detached", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"PartiallyInvalid", v1alpha1.SeverityError, v1alpha1.SeverityNone},
		{"OverlappingTLSConfig", v1alpha1.SeverityNotice, v1alpha1.SeverityNone},
	}
	for _, tt := range tests {
		if got := v1alpha1.SeverityOf(tt.name, "True"); got != tt.whenTrue {
			t.Errorf("%s=True is %q, want %q", tt.name, got, tt.whenTrue)
		}
		if got := v1alpha1.SeverityOf(tt.name, "False"); got != tt.whenFalse {
			t.Errorf("%s=False is %q, want %q", tt.name, got, tt.whenFalse)
		}
		if got := v1alpha1.SeverityOf(tt.name, "Unknown"); got != v1alpha1.SeverityNone {
			t.Errorf("%s=Unknown is %q, want nothing", tt.name, got)
		}
	}
}
