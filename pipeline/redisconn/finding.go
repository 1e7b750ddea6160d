package redisconn

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says how bad a [Finding] is.
type Severity string

// The severities.
const (
	// Note is worth knowing.
	Note Severity = "note"
	// Warning is what will hurt one day.
	Warning Severity = "warning"
	// Problem is what Meshweir cannot work with.
	Problem Severity = "problem"
)

// Finding is something that a server should do otherwise.
type Finding struct {
	Severity Severity `json:"severity"`
	// Node is the address that it is about, where a target has several.
	Node string `json:"node,omitempty"`
	// What is wrong, …
	What string `json:"what"`
	// … why it matters, …
	Why string `json:"why,omitempty"`
	// … and how to mend it.
	Mend string `json:"mend,omitempty"`
}

// String is one sentence for each of what, why and mend.
func (f Finding) String() string {
	var s strings.Builder
	if f.Node != "" {
		s.WriteString(f.Node + ": ")
	}
	s.WriteString(f.What)
	if f.Why != "" {
		s.WriteString(": " + f.Why)
	}
	if f.Mend != "" {
		s.WriteString("; " + f.Mend)
	}
	return s.String()
}

// Problems joins the findings that are problems into an error; nil when none is.
func Problems(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		if f.Severity == Problem {
			errs = append(errs, fmt.Errorf("%s", f))
		}
	}
	return errors.Join(errs...)
}
