// Package folder is a cluster that is a folder of manifests.
//
// Below one directory, "<cluster>/" holds what the cluster's users wrote, in
// any files and sub-folders, and is only read. "applied/<cluster>/" beside it
// holds what Meshweir wrote: one file for each object, "status/" for statuses,
// and what the agent must remember. Both together are what the cluster holds.
//
// A [Folder] is a source: it is scanned when something in it changes, and a
// file that has not changed is not read again. What cannot be read keeps its
// last good state, also on disk (".last-good/" in the applied folder), and is
// reported as a ManifestProblem. So is what an API server would refuse, see package strict. It is a target, too:
// files are replaced as a whole, and only those that carry Meshweir's label.
package folder
