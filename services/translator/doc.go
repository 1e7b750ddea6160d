// Package translator turns the snapshots of all clusters into what each cluster
// should have: Istio objects, and the status of the objects that they are made
// from.
//
// It reads snapshot/* and registry/clusters. It writes output/* and status/*. It serves health only.
//
// The core is pure: [Translate] is a function of [Inputs], and an [Engine] comes
// to the same result change by change, computing again only what depends on a
// change. It is made of small rooms:
//
//   - inventory: the decoded snapshots and their indexes, read through a tracker
//   - graph: remembers what each value was computed from
//   - gatewayapi: Gateway, HTTPRoute, GRPCRoute → Istio Gateway, VirtualService, conditions
//   - globalservice: GlobalService → ServiceEntry, DestinationRule, both sides of an east-west gateway
//   - workspace: which namespaces belong together, and what they see of others
//   - hold: what depends on a cluster that cannot be seen stays as it is
//   - output: the bytes of what is written
package translator
