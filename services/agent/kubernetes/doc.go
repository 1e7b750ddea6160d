// Package kubernetes is a cluster that is reached through the Kubernetes API.
//
// A [Cluster] keeps a mirror of every kind that a snapshot takes and the API
// server serves: one reflector for each, whose objects are reduced as they
// arrive and never held in full. What changed is delivered in batches.
//
// What is not known is never said to be gone. A kind that has not been listed
// holds the first complete delivery back. One that the agent may not read, or
// that is not served for the moment, does not: what was last known of it stays,
// and an UnreadKind in the snapshot says so. The objects of a kind are gone when the API server
// says so, or when its CustomResourceDefinition is.
//
// Nothing is believed of an API server that is not ready: one that starts denies
// everything and does not know yet what it serves. While it is away, one question a second asks for it, and whoever waits for it goes on at once
// when it is back.
//
// What Meshweir writes goes through server-side apply, under the field manager
// "meshweir". An object is ours when it has Meshweir's label and that manager applied it; every write names the
// UID and resourceVersion that the decision was made on, so that nothing is
// taken over, and nothing newer is overwritten, between looking and writing.
//
// Of several replicas one works, by a Lease. It stops when another one has it, and what it writes
// meanwhile is refused where another one wrote. A ConfigMap beside it remembers how far the output was applied.
package kubernetes
