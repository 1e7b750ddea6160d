// Package check holds the checks. [Table] lists all of them on one screen.
//
// A check is a pure function of what it reads through a fleet.Reader, for one
// subject: an object of a kind that its row names, or a cluster. It says what it found, and what
// it cannot tell because something is unknown: that stays as it was said before. Findings
// that have the same target and detail are one, with the cases of all subjects: a hundred
// workloads that suffer from one policy are one finding about the policy.
package check

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// Check is one row of the [Table].
type Check struct {
	// Code names the check, for good.
	Code string
	// Severity is the gravest that its findings have.
	Severity insight.Severity
	// Title says what it finds.
	Title string
	// Why says what comes of it, for the documentation.
	Why string
	// Closes says when a finding goes away by itself.
	Closes string
	// Subjects are the kinds whose objects are looked at one by one; fleet.Clusters for clusters, fleet.Reports for what agents reported on.
	Subjects []fleet.Input
	// Inputs is all that the check reads. A test compares it with what is read.
	Inputs []fleet.Input
	// Run looks at one subject. It is nil, and there are no subjects, for what another check finds on its way.
	Run func(r *fleet.Reader, subject fleet.Ref, settings Settings) Result
}

// OfClusters reports whether the subjects are clusters, which can be judged also while they are not seen.
func (c Check) OfClusters() bool { return slices.Contains(c.Subjects, fleet.Clusters) }

// Settings are the thresholds of checks. The zero value stands for the defaults.
type Settings struct {
	// SilentAfter is how long an agent may be silent, or be unable to read its cluster. Default 1 min.
	SilentAfter time.Duration
	// DriftTimes is how often an object must have been applied again. Default 3.
	DriftTimes int
	// DriftWithin is how long after the last time a drift counts as over. Default 1 h.
	DriftWithin time.Duration
}

// OrDefault returns the settings with the defaults in place of zeros.
func (s Settings) OrDefault() Settings {
	return Settings{
		SilentAfter: cmp.Or(s.SilentAfter, time.Minute), DriftTimes: cmp.Or(s.DriftTimes, 3), DriftWithin: cmp.Or(s.DriftWithin, time.Hour),
	}
}

// Result is what a check says of one subject.
type Result struct {
	Found []Finding
	// Doubts are what it cannot tell.
	Doubts []Doubt
}

// Finding is one thing that is wrong.
type Finding struct {
	// Code is that of a row without subjects; empty for the check's own.
	Code string
	// Target and Detail tell findings of a check apart; Detail is empty where there is one for a target.
	Target fleet.Ref
	Detail string
	// Severity is milder than the check's; zero for the check's own.
	Severity insight.Severity
	Summary  string
	Also     []fleet.Ref
	Evidence []insight.Evidence
	// Case is what this subject adds, where several share a finding; CasesSay heads the cases: "workloads accept plaintext by it".
	Case     *insight.Evidence
	CasesSay string
	Remedy   []insight.Step
}

// Doubt says that a finding can be neither made nor denied: with a target and a detail that one, with a cluster alone each of the check on that cluster.
type Doubt struct {
	Target fleet.Ref
	Detail string
	Why    string
}

// ID is the key of an insight.
func ID(code string, target fleet.Ref, detail string) string {
	id := code + "/" + target.Cluster
	if target.Key.Kind != "" {
		id += "/" + target.Key.String()
	}
	if detail != "" {
		id += "#" + detail
	}
	return id
}

// ParseID returns the code and the cluster of an insight's key, and whether its target is an object of the cluster.
func ParseID(id string) (code, cluster string, ofObject bool) {
	code, rest, _ := strings.Cut(id, "/")
	rest, _, _ = strings.Cut(rest, "#")
	cluster, _, ofObject = strings.Cut(rest, "/")
	return code, cluster, ofObject
}

// kubectl is a command line for the cluster of a ref. Contexts are taken to be named as the clusters are.
func kubectl(ref fleet.Ref, command string) string {
	line := "kubectl --context " + ref.Cluster + " " + command
	if ref.Key.Namespace != "" {
		line += " -n " + ref.Key.Namespace
	}
	return line
}

// plural is the resource name of a kind for kubectl, with its group, so that no other kind of the name is meant.
func plural(ref fleet.Ref) string {
	name := strings.ToLower(ref.Key.Kind)
	if ref.Key.Group != "" {
		name += "." + ref.Key.Group
	}
	return name
}

// edit is the command line that opens an object in an editor.
func edit(ref fleet.Ref) string { return kubectl(ref, "edit "+plural(ref)+" "+ref.Key.Name) }
