// Package view holds what the pages of the ui read, and the pure functions that
// make it from what the other services write.
//
// # Data model
//
//	view/clusters            one [Cluster] for each cluster, under its name
//	view/resources.<cluster> one [Row] for each object of a cluster, under its key
//	view/history.<cluster>   one [History] for each object that changed of late, under its key
//
// All are of the one type [Record], so that one replica follows them all. A row
// is small: names, conditions, what became of an output, its lineage (what
// it was made from, what was made from it) and its [Wiring] (what it says of
// traffic, from which packages mesh, topology and policy make their pictures of the
// whole fleet). The body of an object stays where
// it is, in snapshot/<cluster> or output/<cluster>.
//
// A row exists for what a cluster holds (snapshot), for what it should hold
// (output), and for what it could not take (applied). It is made by [RowOf] from
// up to four [Fact]s about one key; [ClusterOf] counts the rows of a cluster.
//
// While a cluster's snapshot is missing or not complete, its rows stay as they
// were and its Cluster says so: unknown is not gone. What is known of a cluster that was deregistered is taken away.
package view
