// Package rules decides which limits a call meets. A [Config] is built from documents of [limits.Domain], of which
// several may be about one domain, and does not change.
//
// The rules of a domain form a tree: a descriptor's entries lead from rule to rule, and the limits of the rule at which
// it ends are those that it meets. Sets are looked up beside it. The words mean what they mean to envoyproxy/ratelimit,
// but for two things: a key and its value are never joined into one name, and neither are the entries of a counter.
//
// It is pure: no clock, no Redis, no YAML.
package rules

import (
	"github.com/meshweir/meshweir/schemas/limits"
)

// Entry is one entry of a descriptor.
type Entry struct{ Key, Value string }

// Limit is one limit of a rule, ready to be counted. It does not change; its address is its identity within a [Config].
type Limit struct {
	// Index counts the limits of a Config from 0. A limit of [Config.Override] has -1.
	Index int
	// Domain is the domain that it belongs to, and Rule says which rule: "path=/v1 > remote_address". There are as many
	// as the configuration has; [Met.AppendRule] adds values where the rule asks for that.
	Domain, Rule string
	// Name is what its author calls it, or "".
	Name string
	// ID tells apart the limits that count the same entries: it is made of what must not change while a counter
	// lives, such as period and algorithm, but not of the number of requests.
	ID string

	// Requests are allowed in a Period.
	Requests uint32
	Period   Period
	// Algorithm is never empty.
	Algorithm limits.Algorithm
	// Burst is how many of GCRA may come at once, and 0 for other algorithms.
	Burst uint32
	// CountDenied makes hits count that were denied.
	CountDenied bool

	// Unlimited allows everything: nothing is counted, and Requests, Period and Burst are 0.
	Unlimited bool
	// Shadow never denies. Quota denies a call together with all other quotas that it meets.
	Shadow, Quota bool
	// OnError is what happens when Redis does not answer in time; "" is an error.
	OnError limits.OnError
	// AllOrNothing is of the whole domain: a call that any limit denies consumes nothing of the others.
	AllOrNothing bool
	// Replaces are names of limits that do not count for a call that meets this one; [DropReplaced] applies it.
	Replaces []string
	// Metadata is returned with the answer of a call that the rule let pass.
	Metadata map[string]any

	levels   []level // what the rule's name is made of
	detailed bool
}

// Met is one limit that one descriptor meets.
type Met struct {
	Limit *Limit
	// Counter are the entries that identify the counter together with the limit's Domain and ID, in the rule's order.
	// A value that is shared is replaced by its pattern. It may be part of the descriptor that was matched.
	Counter []Entry
	// Descriptor is for the caller: which descriptor of the call it was.
	Descriptor int
}

// DropReplaced takes out of what all descriptors of one call meet the limits that another one of them replaces. It
// works in place. Unlimited ones stay: they say of their descriptor that it is not limited.
func DropReplaced(all []Met) []Met {
	replaces := false
	for _, m := range all {
		replaces = replaces || len(m.Limit.Replaces) > 0
	}
	if !replaces {
		return all
	}
	replaced := map[string]bool{}
	for _, m := range all {
		for _, name := range m.Limit.Replaces {
			replaced[name] = true
		}
	}
	kept := all[:0]
	for _, m := range all {
		if m.Limit.Name == "" || m.Limit.Unlimited || !replaced[m.Limit.Name] {
			kept = append(kept, m)
		}
	}
	return kept
}
