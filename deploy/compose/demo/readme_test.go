package demo

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeNamesLinesThatExist keeps the exercises true: each line to change stands once in the file named before it.
func TestReadmeNamesLinesThatExist(t *testing.T) {
	files := embedded(t)
	manifest := regexp.MustCompile("`((?:mgmt|east|west)/[^`]+\\.yaml)`")
	var file string
	var lines int
	var inDiff bool
	for line := range strings.Lines(read(t, "README.md")) {
		line = strings.TrimSuffix(line, "\n")
		if found := manifest.FindStringSubmatch(line); found != nil {
			file = found[1]
			if _, ok := files[file]; !ok {
				t.Errorf("README.md names %s, which does not exist", file)
			}
		}
		if strings.HasPrefix(line, "```") {
			inDiff = line == "```diff"
		}
		if removed, ok := strings.CutPrefix(line, "-"); ok && inDiff {
			lines++
			if got := count(strings.Split(files[file], "\n"), removed); got != 1 {
				t.Errorf("README.md: line %q is %d times in %s, want once", removed, got, file)
			}
		}
	}
	if lines == 0 {
		t.Error("README.md has no exercises")
	}
}

func TestReadmeListsEveryMistake(t *testing.T) {
	_, table, found := strings.Cut(read(t, "README.md"), "## Mistakes on purpose")
	if !found {
		t.Fatal("README.md does not list the mistakes")
	}
	for _, file := range append(slices.Collect(maps.Values(mistakes())), brokenFile) {
		if !strings.Contains(table, "`"+file+"`") {
			t.Errorf("README.md does not list the mistake in %s", file)
		}
	}
}
