//go:build race

package program

// raced says that the tests run under the race detector: what they build does too.
const raced = true
