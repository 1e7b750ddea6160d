// Package policy says what applies to the requests of a route, in which order and
// from which object, and what each policy of a fleet is for.
//
// # Data model
//
// A request of a route passes [Hop]s: the proxies of each gateway, the route itself,
// each backend and the way there. A hop has [Stage]s in the order in which a proxy
// goes through them, a stage has [Entry]s, the one that decides first.
//
// The order is Istio's, as its code has it: of PeerAuthentications the most specific
// level decides and of one level the oldest (ComposePeerAuthentication);
// EnvoyFilters go by priority, the root namespace first, then by age (PushContext.EnvoyFilters);
// AuthorizationPolicies are asked CUSTOM, DENY, ALLOW, whatever their scope; DestinationRules
// are looked for in the namespace of the client, of the Service and in the root namespace,
// and the first that has any decides (PushContext.destinationRule).
package policy
