// Package architecture holds the tests that keep the rules of the house: which
// room may import which (the dependency law of docs/architecture.md), how code
// is named and commented, and that what the repository ships and says is whole:
// manifests parse, links lead somewhere, documented commands are the real ones.
//
// They read the source as text, so they also see files of other platforms. A
// rule is a pure function with a test of its own; the tree is then put to it.
package architecture
