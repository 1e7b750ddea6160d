// Package topology draws the ways of requests through a fleet: gateways, their
// routes, and the GlobalServices and Services that these lead to, each in the frame
// of its cluster.
//
// [Build] makes a [Graph] from a mesh.Index; [Graph.Layout] gives each node its
// place. Both are pure, and what they make depends on names and references only:
// when the health or the body of an object changes, nothing moves; when an object
// comes or goes, what stands below it in the same cluster makes room.
//
// A graph never has more than [Limit] nodes. Beyond that, the routes and services
// of a namespace become one node, then those of a cluster, then the last clusters
// are left out; the graph says which. A table of the same nodes says the same.
package topology
