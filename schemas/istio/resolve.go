package istio

import (
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Kind is a kind of objects that have hosts, as "Kind[.group]".
type Kind string

// The kinds.
const (
	Service       Kind = "Service"
	ServiceEntry  Kind = "ServiceEntry.networking.istio.io"
	GlobalService Kind = v1alpha1.KindGlobalService + "." + resource.Group
)

// Claim is an object that has a host. T is what the caller knows it by.
type Claim[T any] struct {
	Object    T
	Kind      Kind
	Cluster   string
	Namespace string
	// Audience is who sees it, where it is a claim of the own cluster.
	Audience Audience
	// Host is the host that it has: the one that was asked for, or a wildcard that covers it. Resolve sets it.
	Host string
}

// Fleet is what Resolve asks, for one cluster.
type Fleet[T any] interface {
	// Here returns the Services and ServiceEntries of the cluster that have a host; one with a wildcard for that itself.
	Here(host string) []Claim[T]
	// Everywhere returns the Services, ServiceEntries and GlobalServices of all clusters that have a host; the first one that counts is taken.
	Everywhere(host string) []Claim[T]
	// Unknown says why nobody knows which objects of some kinds a cluster lacks, or, where it is empty, any one that is expected;
	// "" when what is not there does not exist.
	Unknown(cluster string, kinds ...Kind) string
}

// Verdict says what is at a host.
type Verdict int

// The verdicts. Of those in which nothing is there for clients, the first that is true counts.
const (
	// Exists means that clients reach it.
	Exists Verdict = iota
	// Unknown means that nobody can tell.
	Unknown
	// Hidden means that it is there, and exported to others only.
	Hidden
	// Elsewhere means that only ServiceEntries of other clusters have it, which are for their own cluster alone.
	Elsewhere
	// Covered means that only a wildcard covers it. Istio names the cluster of a route after the route's host, and makes one for
	// the wildcard alone (pilot/pkg/networking/core/route, GetDestinationCluster), so requests fail.
	Covered
	// Nowhere means that nothing has it.
	Nowhere
)

// Resolution is what is at a host.
type Resolution[T any] struct {
	Verdict Verdict
	// To is what is there, where it exists.
	To Claim[T]
	// Others are what hides, has it elsewhere, or covers it.
	Others []Claim[T]
	// Why says why it is unknown.
	Why string
}

// Resolve says what is at a full host for clients in a cluster: a Service or ServiceEntry there which they see, or a GlobalService
// or a Service of any cluster, which answers for its namesakes in all of them.
func Resolve[T any](f Fleet[T], cluster, host string, clients Audience) Resolution[T] {
	var hidden, elsewhere []Claim[T]
	for _, c := range f.Here(host) {
		c.Host = host
		// From a sidecar of its own namespace that a route leads there, nothing hides it (pilot/pkg/model/sidecar.go).
		own := Audience{Names: []string{c.Namespace}}
		if c.Audience.Meets(clients) || clients.Sidecars && own.Meets(clients) {
			return Resolution[T]{To: c}
		}
		hidden = append(hidden, c)
	}
	for _, c := range f.Everywhere(host) {
		c.Host = host
		switch {
		case c.Kind == ServiceEntry && c.Cluster != cluster:
			elsewhere = append(elsewhere, c)
		case c.Kind == GlobalService, c.Kind == Service && c.Cluster != cluster:
			return Resolution[T]{To: c}
		}
	}
	if why := f.Unknown(cluster, Service, ServiceEntry); why != "" {
		return Resolution[T]{Verdict: Unknown, Why: why}
	}
	anywhere := GlobalService
	if _, _, ok := resource.ServiceOf(host); ok {
		anywhere = Service
	}
	if why := f.Unknown("", anywhere); why != "" {
		return Resolution[T]{Verdict: Unknown, Why: why}
	}
	switch {
	case len(hidden) > 0:
		return Resolution[T]{Verdict: Hidden, Others: hidden}
	case len(elsewhere) > 0:
		return Resolution[T]{Verdict: Elsewhere, Others: elsewhere}
	}
	if covering := wildcards(f, host, clients); len(covering) > 0 {
		return Resolution[T]{Verdict: Covered, Others: covering}
	}
	return Resolution[T]{Verdict: Nowhere}
}

// wildcards are what covers a host, for clients to see, the most specific first.
func wildcards[T any](f Fleet[T], host string, clients Audience) []Claim[T] {
	var found []Claim[T]
	for rest := strings.TrimPrefix(host, "*."); ; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			return found
		}
		for _, c := range f.Here("*." + parent) {
			if c.Host = "*." + parent; c.Audience.Meets(clients) {
				found = append(found, c)
			}
		}
		rest = parent
	}
}
