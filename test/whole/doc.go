// Package whole holds the tests of the whole product: its own binaries, on
// the demo clusters, as one process with an embedded Redis and as separate
// processes with a real one, each logged in there as the Redis user that
// `meshweir acl` makes for it. Both run the same code and must pass the same tests.
//
// There is one test for each promise of the README. The oracle is the
// translator's pure function, over what the snapshots hold at the end.
package whole
