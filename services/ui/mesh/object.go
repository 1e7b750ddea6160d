package mesh

import (
	"slices"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/ui/view"
)

// The groups of Istio's kinds.
const (
	GroupNetworking = "networking.istio.io"
	GroupSecurity   = "security.istio.io"
	GroupTelemetry  = "telemetry.istio.io"
	GroupExtensions = "extensions.istio.io"
)

// Object is an object of a cluster that says something of traffic.
type Object struct {
	Ref view.Ref
	Key resource.Key
	*view.Row
	// Health is what is wrong with it, Says why in a few words.
	Health Health
	Says   string
}

// Health orders what can be wrong with an object, or with the way to it.
type Health string

// The healths, worst first.
const (
	// Broken means that a problem keeps the object from being in force.
	Broken Health = "error"
	// Missing means that a name leads to nothing.
	Missing Health = "missing"
	// Held means that what was made from the object is held, because a cluster is not known.
	Held Health = "held"
	// Away means that the cluster is not seen now: the object is as it was last seen.
	Away Health = "away"
	// Warned means that something is wrong while the last good state is in force.
	Warned Health = "warning"
	// Pending means that it was not applied yet.
	Pending Health = "pending"
	// Fine means that it was judged and nothing is wrong with it.
	Fine Health = "ok"
	// Plain means that nobody judges it.
	Plain Health = "plain"
)

// Healths returns all healths, worst first.
func Healths() []Health { return []Health{Broken, Missing, Held, Away, Warned, Pending, Fine, Plain} }

// Worse returns the worse of two healths.
func (h Health) Worse(o Health) Health {
	all := Healths()
	if slices.Index(all, o) < slices.Index(all, h) {
		return o
	}
	return h
}

// Ill reports whether the health asks for attention.
func (h Health) Ill() bool { return h != Fine && h != Plain && h != Pending && h != "" }

// healthOf judges a row of a cluster that is seen now, or not.
func healthOf(row *view.Row, seen bool) (health Health, says string) {
	problems := row.Problems()
	held := slices.ContainsFunc(row.Conditions, func(c view.Condition) bool {
		return c.Type == v1alpha1.ConditionInputMissing && c.Problem()
	})
	switch {
	case len(problems) > 0 && problems[0].Severity == v1alpha1.SeverityError:
		return Broken, problems[0].Title
	case held:
		return Held, problems[0].Title
	case !seen:
		return Away, "As it was last seen"
	case len(problems) > 0:
		return Warned, problems[0].Title
	case row.Applied != nil && row.Applied.Result == view.ResultPending:
		return Pending, "Not applied yet"
	case row.Applied != nil || len(row.Conditions) > 0:
		return Fine, ""
	default:
		return Plain, ""
	}
}

// Is reports whether the object is of a kind.
func (o *Object) Is(group, kind string) bool { return o.Key.Group == group && o.Key.Kind == kind }

// Route reports whether the object is a route of Gateway API or a VirtualService.
func (o *Object) Route() bool {
	if o.Key.Group == resource.GatewayGroup {
		return slices.Contains([]string{"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"}, o.Key.Kind)
	}
	return o.Is(GroupNetworking, "VirtualService")
}

// Gateway reports whether the object is a Gateway, of Gateway API or of Istio.
func (o *Object) Gateway() bool {
	return o.Key.Kind == "Gateway" && (o.Key.Group == resource.GatewayGroup || o.Key.Group == GroupNetworking)
}

// Workload reports whether the object makes Pods.
func (o *Object) Workload() bool { return o.Wiring != nil && len(o.Wiring.Pods) > 0 }

// InForce reports whether no condition says that the object is not accepted. Whatever else is wrong with it, it counts.
func (o *Object) InForce() bool {
	return !slices.ContainsFunc(o.Conditions, func(c view.Condition) bool { return c.Type == v1alpha1.ConditionAccepted && c.Problem() })
}
