// Package clusters holds the tests of the whole product on real clusters: its own
// binaries as separate processes, one Redis, and an API server for each cluster.
// The API servers write down what was done to them, so that nothing is deleted or
// shrunk unseen. Some have a real istiod too, whose answers to a gateway's proxy
// show what has become of a change.
package clusters
