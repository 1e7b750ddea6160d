// Package limits is the configuration of the rate limiter: one [Domain] is what a file of envoyproxy/ratelimit says, with
// the same names, and what Meshweir adds to it.
//
// The same document is a file that the limiter reads when it runs alone, and, as JSON, a value of a keyspace
// limitconfig/<cluster>, into which the translator writes what it makes of each RateLimitPolicy of the cluster. A value's key is
// "<cluster>/<namespace>/<name>" of the policy; all are of the domain [PolicyDomain], and the limiter reads those of all clusters
// as one. A cluster that cannot be seen keeps what it has.
package limits

// PolicyDomain is the domain of what RateLimitPolicies come to. Each descriptor begins with the entry generic_key, whose value is
// "<cluster>/<namespace>/<policy>/<limit>", so that no policy meets the rules of another.
const PolicyDomain = "meshweir"

// Domain is the rules of one domain. A call names its domain, and meets no rule of another.
type Domain struct {
	// Domain is the name.
	Domain string `json:"domain"`
	// AllOrNothing makes a call that any limit denies consume nothing of the others. All counters of the domain then
	// live in one slot of a Redis Cluster. Default: every limit counts for itself, as in envoyproxy/ratelimit.
	AllOrNothing bool `json:"all_or_nothing,omitempty"`
	// Descriptors are the rules for a descriptor whose entries come in just this order.
	Descriptors []Rule `json:"descriptors,omitempty"`
	// Sets are the rules for a descriptor that has certain entries, in any order and beside others.
	Sets []SetRule `json:"set_descriptors,omitempty"`
}

// Rule is about one entry of a descriptor: an entry with its value, with a value like it ("*" stands for anything, at any
// place), or with any value. Exact values go before patterns, patterns count in their order, and a rule without a value is last.
type Rule struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	Terms
	// Descriptors are the rules for the next entry. A limit counts for a descriptor that ends at its rule.
	Descriptors []Rule `json:"descriptors,omitempty"`

	// ShareThreshold makes all values that a pattern matches use one counter. Default: one for each value.
	ShareThreshold bool `json:"share_threshold,omitempty"`
	// DetailedMetric puts the values of every entry into the rule's name in metrics, ValueToMetric that of this one.
	// How many values a metric tells apart is bounded.
	DetailedMetric bool `json:"detailed_metric,omitempty"`
	ValueToMetric  bool `json:"value_to_metric,omitempty"`
	// Metadata is returned as dynamic metadata with the answer of a call that the rule let pass.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// SetRule is about a descriptor that has all of some entries. Of the rules that match one descriptor, the one of the
// greatest weight counts (of equals, the first), and every one that always applies.
type SetRule struct {
	// Entries must all be there. An entry without a value matches each value, and each has a counter of its own.
	Entries []Entry `json:"entries"`
	Terms
	// Weight is greater for a rule that goes before others. Default 0.
	Weight int `json:"weight,omitempty"`
	// AlwaysApply makes a rule count beside the one of the greatest weight.
	AlwaysApply bool `json:"always_apply,omitempty"`
}

// Entry is an entry of a descriptor; without a value, one with any value.
type Entry struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// Terms are the limits of a rule, and what being over them means.
type Terms struct {
	// Limit is the limit, and Limits are several for the same descriptor: 10 a second and 250 a day.
	Limit  *Limit  `json:"rate_limit,omitempty"`
	Limits []Limit `json:"rate_limits,omitempty"`
	// Shadow counts and reports, and denies nothing.
	Shadow bool `json:"shadow_mode,omitempty"`
	// Quota denies a call only when all quotas that it meets are used up.
	Quota bool `json:"quota_mode,omitempty"`
}

// Limit is how much is allowed in which time.
type Limit struct {
	// Name is what metrics, headers and Replaces call it. Default: the rule's.
	Name string `json:"name,omitempty"`
	// Unlimited allows everything; it stands alone.
	Unlimited bool `json:"unlimited,omitempty"`
	// Requests are allowed in a period. 0 allows none.
	Requests uint32 `json:"requests_per_unit"`
	// Unit is second, minute, hour, day, week, month or year: spans of fixed length from the Unix epoch, of which
	// a month has 30 days and a year 365. Case does not count.
	Unit string `json:"unit,omitempty"`
	// Multiplier makes a period of several units. Default 1.
	Multiplier uint32 `json:"unit_multiplier,omitempty"`
	// Period is a length instead of a unit: "30s", "5m", "36h".
	Period string `json:"period,omitempty"`
	// Calendar lets day, week (from Monday), month and year begin where the calendar says, in UTC.
	Calendar bool `json:"calendar,omitempty"`
	// Algorithm is how hits are counted.
	Algorithm Algorithm `json:"algorithm,omitempty"`
	// Burst is how many of [GCRA] may come at once. Default: Requests.
	Burst uint32 `json:"burst,omitempty"`
	// CountDenied makes hits count that were denied; a report of what was used already needs it. Default: true for
	// [FixedWindow], as in envoyproxy/ratelimit, and false for the others.
	CountDenied *bool `json:"count_denied,omitempty"`
	// OnError is what happens when Redis does not answer in time.
	OnError OnError `json:"on_error,omitempty"`
	// Replaces are limits that do not count for a call that meets this one.
	Replaces []Replaced `json:"replaces,omitempty"`
}

// Replaced names a limit.
type Replaced struct {
	Name string `json:"name"`
}

// Algorithm is a way to count.
type Algorithm string

// The algorithms. The empty one is FixedWindow.
const (
	// FixedWindow counts in periods that begin at whole multiples of their length since the Unix epoch.
	FixedWindow Algorithm = "fixed_window"
	// SlidingWindow weighs the count of the last period by how much of it is within one period from now.
	SlidingWindow Algorithm = "sliding_window"
	// GCRA spaces hits evenly and allows bursts: the generic cell rate algorithm (ITU-T I.371).
	GCRA Algorithm = "gcra"
)

// OnError is what happens to a call when Redis does not answer in time.
type OnError string

// What may happen. The empty one answers with an error, so that the gateway's own failure mode counts.
const (
	// Allow lets the call pass.
	Allow OnError = "allow"
	// Deny denies it.
	Deny OnError = "deny"
	// Local counts in memory; each replica of the limiter allows its share.
	Local OnError = "local"
)
