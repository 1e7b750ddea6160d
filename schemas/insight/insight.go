// Package insight holds what is found about a fleet: one [Insight] is one thing that is wrong or risky, with what
// proves it and how to mend it.
//
// Insights are the values, as JSON, of the keyspaces insight/<cluster> (what is about an object of that cluster) and
// insight/fleet (what is about a cluster as a whole, or several). A value's key says what it is about, and stays the
// same while it is open: "CFG0101/east/VirtualService.networking.istio.io/shop/web#reviews.shop.svc.cluster.local". An insight that no longer holds
// is deleted: what is stored is what is so.
package insight

import (
	"cmp"
	"slices"
	"time"
)

// Severity says how much an insight matters.
type Severity string

// The severities, gravest first.
const (
	// Error is what breaks requests, or will.
	Error Severity = "error"
	// Warning is a risk, or something that does not do what its author thinks.
	Warning Severity = "warning"
	// Info is worth knowing.
	Info Severity = "info"
)

// Severities are all of them, gravest first.
func Severities() []Severity { return []Severity{Error, Warning, Info} }

// Rank is the place of a severity among [Severities]. One that is not known comes behind all others.
func (s Severity) Rank() int {
	if i := slices.Index(Severities(), s); i >= 0 {
		return i
	}
	return len(Severities())
}

// Compare orders severities, gravest first.
func (s Severity) Compare(o Severity) int { return cmp.Compare(s.Rank(), o.Rank()) }

// Insight is one finding.
type Insight struct {
	// Code says which check found it: "CFG0101". Its letters say what it is about: CFG configuration, HLT health, SEC security.
	Code string `json:"code"`
	// Severity is that of the check, or a lower one where the case is milder.
	Severity Severity `json:"severity"`
	// Title is what the check finds, the same for all insights of a code: "Route to a host that exists nowhere".
	Title string `json:"title"`
	// Summary is one sentence that says what is wrong here, with names.
	Summary string `json:"summary"`
	// Target is the object to look at first; without an object, the cluster.
	Target Ref `json:"target"`
	// Also are further objects that take part, sorted.
	Also []Ref `json:"also,omitempty"`
	// Evidence proves it, in the order in which it is to be read.
	Evidence []Evidence `json:"evidence"`
	// Remediation mends it, step by step.
	Remediation []Step `json:"remediation"`
	// Closes says when the insight goes away by itself.
	Closes string `json:"closes"`
	// FirstSeen is when it was found, and LastChanged when what it says last became something else.
	FirstSeen   time.Time `json:"firstSeen"`
	LastChanged time.Time `json:"lastChanged"`
	// Unknown says why nobody can tell at the moment whether it still holds; what is said above was so when it could last be told. Empty when it holds.
	Unknown string `json:"unknown,omitempty"`
	// MutedBy is the InsightsConfig by which somebody chose not to be bothered by it; nil for none.
	MutedBy *Ref `json:"mutedBy,omitempty"`
}

// Ref names an object of a cluster, or a cluster.
type Ref struct {
	// Cluster is the cluster's name; empty for the fleet.
	Cluster string `json:"cluster,omitempty"`
	// Object is the object's key, "Kind[.group]/namespace/name"; empty for the cluster itself.
	Object string `json:"object,omitempty"`
}

// Evidence is one fact.
type Evidence struct {
	// Says is the fact, in words.
	Says string `json:"says"`
	// Source is where it stands; without an object, something that the cluster or its agent says, or does not say.
	Source Ref `json:"source"`
	// Field is the path of the field in the object: "spec.http[0].route[1].destination.host". Empty for the object as a whole.
	Field string `json:"field,omitempty"`
	// Value is what stands there; empty for nothing.
	Value string `json:"value,omitempty"`
}

// Step is one way, or one part of the way, to mend an insight.
type Step struct {
	// Do says what to do.
	Do string `json:"do"`
	// Commands are lines for a shell that do it, or help; none where no command does.
	Commands []string `json:"commands,omitempty"`
}
