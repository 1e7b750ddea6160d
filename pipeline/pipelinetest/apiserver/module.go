package apiserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// FromModule returns the YAML files of a Go module that match a pattern, such as
// "sigs.k8s.io/gateway-api" and "config/crd/standard/*.yaml", as one text for
// [Server.Apply]. The version is the one that this module's go.mod requires, so
// that what a test defines is what the code was compiled with.
func FromModule(t testing.TB, module, pattern string) string {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("looking for module %s: %v", module, err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(folder)), filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("looking for %s in module %s: nothing found, %v", pattern, module, err)
	}
	var documents strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("reading a file of module %s: %v", module, err)
		}
		documents.Write(content)
		documents.WriteString("\n---\n")
	}
	return documents.String()
}
