// Package agent is Meshweir's hand in one cluster.
//
//   - It reads the cluster (a folder of manifests or a real one, see packages
//     folder and kubernetes) and the keyspaces output/<cluster> and status/<cluster>.
//   - It writes snapshot/<cluster>, applied/<cluster> and its heartbeat, and to
//     the cluster itself what its output says.
//   - It serves nothing; [Agent.Ready] says whether it does its work.
//
// Two loops share the work. The publisher brings what the source saw into the
// snapshot, reduced by package snapshot. The applier makes the cluster equal to its output: it
// is level-triggered, so that an edit by hand, a lost event and a restart are one case. It acts
// on nothing that is unknown or older than what stands in the cluster.
package agent
