// Command faults proves the first promise of the README: whatever ends, stops
// or loses its memory, every cluster converges, and nothing is taken away that no
// change explains.
//
//	go run ./test/faults -clusters 10 -changes 10000 -seed 1
//
// It runs the separate processes on a redis-server with a replica, each process
// behind a connection of its own, changes manifests at random and meanwhile does
// harm. Each round ends when every cluster has what an oracle, `meshweir translate` in a process of
// its own, makes of the manifests alone. A recorder sees each file that an agent writes or removes; what
// disappears must be explained by the manifests of that round. Every few rounds nothing is
// harmed: then nobody may have to list anything again.
//
// With -sabotage a mistake is built into the agents and the translators, and the
// verdict has to be red: so the judge proves that it sees.
//
// The work is done by this package's tests; the command runs them.
package main
