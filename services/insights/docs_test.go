package insights_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/insights/check"
)

// The page on insights has the table of all checks, as it is made here with -update, and a section of its own for each.
func TestTheDocumentationSaysWhatTheTableSays(t *testing.T) {
	const path, begin, end = "../../docs/insights.md", "<!-- table: go test ./services/insights -run Documentation -update -->\n", "<!-- end of table -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", path, begin, end)
	}
	var table strings.Builder
	table.WriteString("| code | severity | what | why it matters | it closes when |\n|---|---|---|---|---|\n")
	for _, c := range check.Table() {
		fmt.Fprintf(&table, "| [%s](#%s) | %s | %s | %s | %s |\n", c.Code, strings.ToLower(c.Code), c.Severity, c.Title, c.Why, c.Closes)
		if !strings.Contains(after, "\n## "+c.Code+"\n") {
			t.Errorf("%s has no section %s", path, c.Code)
		}
	}
	want := before + begin + table.String() + end + after
	if *update && want != string(page) {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("the table of %s is not the one that check.Table makes; run the command in it", path)
	}
}
