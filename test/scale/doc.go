// Package scale measures the running product on a big fleet: 10 clusters, 10,000
// Pods, 1,000 GlobalServices and 1,000 routes, as folders of manifests, with the
// commands as separate processes on a real Redis.
//
//	go test -run '^$' -bench Fleet -benchtime 1x ./test/scale
//
// One run starts the fleet from nothing, then changes one manifest at a time, of
// which 1, 10 and 1,000 objects of outputs follow. docs/benchmarks.md has the table.
package scale
