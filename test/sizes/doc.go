// Package sizes measures what the running product takes of memory and CPU, for `meshweir size`: the
// commands as they ship, as separate processes on a real Redis, with a fleet that grows in one way at a time.
//
//	go test ./test/sizes            measures again, and compares with what ships
//	go test ./test/sizes -update    writes services/cmd/meshweir/sizing/measured.json
//
// The race detector would not see these programs: the tests are left out there.
package sizes
