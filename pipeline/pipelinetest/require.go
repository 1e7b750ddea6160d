package pipelinetest

import (
	"slices"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

// Require returns the path of a real part, by its name in package part. A part
// that is not there leaves the test out and says so in one line; where
// MESHWEIR_REQUIRE lists it, the test fails.
func Require(t testing.TB, name string) string {
	t.Helper()
	p, err := part.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	required, err := part.Required()
	if err != nil {
		t.Fatal(err)
	}
	found, err := p.Find(t.Context())
	switch {
	case err == nil:
		return found.Path
	case slices.Contains(required, name):
		t.Fatalf("%s requires %s: %v; to get it: %s", part.RequireVariable, name, err, p.Get)
	default:
		t.Skipf("left out, needs %s: %v; to get it: %s", name, err, p.Get)
	}
	return ""
}
