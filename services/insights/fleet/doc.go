// Package fleet holds what checks read: the decoded snapshots of all clusters,
// what agents report and that they live, and the indexes by which objects are found.
//
// A check reads through a [Reader], which notes each thing that was read: one
// object, one answer of an index, the state of a cluster, whether or not there is any. When one
// of these becomes another, the units of work that read it are due again, and no others.
//
// A cluster is seen while its snapshot is complete. What an unseen cluster has is unknown, not
// gone, and so is what a cluster has of a kind that its agent cannot read: whoever concludes from the
// absence of something asks [Reader.Unknown] first.
package fleet
