package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

func TestListsEveryPart(t *testing.T) {
	t.Setenv(part.RequireVariable, "")
	var out bytes.Buffer
	if err := list(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range part.Names() {
		if !strings.Contains(out.String(), "\n"+name+" ") {
			t.Errorf("the table has no line for %s:\n%s", name, out.String())
		}
	}
}

func TestFailsWhenARequiredPartIsMissing(t *testing.T) {
	t.Setenv(part.RequireVariable, "valkey")
	t.Setenv("MESHWEIR_PART_VALKEY", "/nowhere/valkey-server")
	err := list(t.Context(), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/valkey-server") {
		t.Errorf("got %v, want an error that names what was looked for", err)
	}
}
