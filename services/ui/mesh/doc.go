// Package mesh says how the objects of a fleet fit together: which gateway takes a
// route, where the route leads, which Pods a policy is for, in which workspace a
// namespace is.
//
// # Data model
//
// An [Index] is made from the rows of all clusters by [New], does not change, and
// knows each object that has a [view.Wiring]. A name within a wiring is resolved
// as whoever acts on it would: Istio's short hosts within the namespace, Gateway
// API's references within the cluster, GlobalServices over the fleet. A name that
// leads nowhere resolves to nil: pages show it as missing.
//
// Objects that Meshweir made are in the index, too. Those that people wrote stand
// for them in pictures; see [Object.Managed].
package mesh
