package architecture

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestLinterKnowsEveryService wants a rule of depguard for each service, so that
// an editor shows what this package's own law refuses.
func TestLinterKnowsEveryService(t *testing.T) {
	found := readTree(t)
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files, Allow []string
						Deny         []struct{ Pkg string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(found.read(t, ".golangci.yml")), &config); err != nil {
		t.Fatal(err)
	}
	services, err := os.ReadDir(filepath.Join(found.root, "services"))
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range services {
		name := service.Name()
		if !service.IsDir() || name == "cmd" {
			continue
		}
		rule := config.Linters.Settings.Depguard.Rules[name]
		if want := []string{"**/services/" + name + "/**"}; !slices.Equal(rule.Files, want) {
			t.Errorf(".golangci.yml: depguard's rule %q is for %q, want %q", name, rule.Files, want)
		}
		for _, allowed := range rule.Allow {
			if reason := verdict("services/"+name, true, allowed); reason != "" {
				t.Errorf(".golangci.yml: depguard lets %s import %s: %s", name, allowed, reason)
			}
		}
		if len(rule.Deny) == 0 || rule.Deny[0].Pkg != module {
			t.Errorf(".golangci.yml: depguard's rule %q does not deny %s", name, module)
		}
	}
}

// TestTasksAreDocumentedCommands wants every command of Taskfile.yml in the
// documents: nobody needs Task to work here.
func TestTasksAreDocumentedCommands(t *testing.T) {
	found := readTree(t)
	var file struct {
		Tasks map[string]struct {
			Desc string
			Cmds []string
		}
	}
	if err := yaml.Unmarshal([]byte(found.read(t, "Taskfile.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, document := range []string{"README.md", "CONTRIBUTING.md"} {
		if slices.Contains(found.paths, document) {
			for _, line := range numbered(found.read(t, document)) {
				command, _, _ := strings.Cut(line, " # ")
				shown = append(shown, strings.TrimSpace(command))
			}
		}
	}
	if len(file.Tasks) == 0 {
		t.Error("Taskfile.yml has no task")
	}
	for _, name := range slices.Sorted(maps.Keys(file.Tasks)) {
		task := file.Tasks[name]
		if task.Desc == "" || len(task.Cmds) != 1 {
			t.Errorf("Taskfile.yml: %s has %d commands and says of itself %q; want 1 and a sentence", name, len(task.Cmds), task.Desc)
		}
		for _, command := range task.Cmds {
			if !slices.Contains(shown, command) {
				t.Errorf("Taskfile.yml: neither README.md nor CONTRIBUTING.md shows %q of %s", command, name)
			}
		}
	}
}

// TestLinterIsOneVersion wants the same linter in every file that runs it.
func TestLinterIsOneVersion(t *testing.T) {
	const linter = "golangci-lint/v2/cmd/golangci-lint@"
	found := readTree(t)
	versions := map[string][]string{}
	for _, file := range []string{".golangci.yml", ".ci/run", "Taskfile.yml", "CONTRIBUTING.md"} {
		text := found.read(t, file)
		if !strings.Contains(text, linter) {
			t.Errorf("%s does not say how to run the linter", file)
		}
		for _, after := range strings.Split(text, linter)[1:] {
			version := strings.Fields(after)[0]
			versions[version] = append(versions[version], file)
		}
	}
	if len(versions) > 1 {
		t.Errorf("got several versions of the linter: %v", versions)
	}
}
