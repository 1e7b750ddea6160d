package architecture

import (
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDecisionsAreWhole wants the same sections in every decision record, and a
// number that no other has.
func TestDecisionsAreWhole(t *testing.T) {
	found := readTree(t)
	name := regexp.MustCompile(`^([0-9]{4})-[a-z0-9-]+\.md$`)
	numbers := map[string]string{}
	for _, file := range found.under("docs/decisions", ".md") {
		if path.Base(file) == "README.md" {
			continue
		}
		parts := name.FindStringSubmatch(path.Base(file))
		if parts == nil {
			t.Errorf("%s: is not named like 0001-what-was-decided.md", file)
			continue
		}
		if other, taken := numbers[parts[1]]; taken {
			t.Errorf("%s: has the number of %s", file, other)
		}
		numbers[parts[1]] = file
		headings := markdown(found.read(t, file)).headings
		for _, section := range []string{"Context", "Decision", "Consequences", "Rejected"} {
			if !slices.Contains(headings, section) {
				t.Errorf("%s: has no section %q", file, section)
			}
		}
	}
	if len(numbers) == 0 {
		t.Error("docs/decisions holds no decision")
	}
}

// TestLinksLeadSomewhere follows every link in the documents that stays in the
// repository, to the file and to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	found := readTree(t)
	documents := found.under(".", ".md")
	if !slices.Contains(documents, "README.md") {
		t.Error("there is no README.md")
	}
	for _, file := range documents {
		for _, link := range markdown(found.read(t, file)).links {
			if reason := found.follow(t, file, link); reason != "" {
				t.Errorf("%s: links to %s: %s", file, link, reason)
			}
		}
	}
}

// follow says why a link in a document leads nowhere, or nothing when it leads
// somewhere or out of the repository.
func (r tree) follow(t *testing.T, from, link string) string {
	t.Helper()
	target, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if target.Scheme != "" || target.Host != "" {
		return ""
	}
	file := from
	if target.Path != "" {
		file = path.Join(path.Dir(from), target.Path)
	}
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return "it leaves the repository"
	}
	if _, err := os.Stat(filepath.Join(r.root, filepath.FromSlash(file))); err != nil {
		return "there is no " + file
	}
	if target.Fragment == "" || path.Ext(file) != ".md" {
		return ""
	}
	if !slices.Contains(markdown(r.read(t, file)).anchors(), target.Fragment) {
		return file + " has no such heading"
	}
	return ""
}

// document is what these tests know of a Markdown file.
type document struct {
	headings []string // the text, without marks
	links    []string // what inline links and link definitions point to
}

// markdown reads a document, without what stands in code.
func markdown(text string) document {
	inline := regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	definition := regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?`)
	code := regexp.MustCompile("`[^`]*`")
	heading := regexp.MustCompile(`^#{1,6}\s+(.+?)\s*#*$`)
	var found document
	var fence string
	for _, line := range numbered(text) {
		trimmed := strings.TrimSpace(line)
		if fence != "" {
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fence = trimmed[:3]
			continue
		}
		if title := heading.FindStringSubmatch(line); title != nil {
			found.headings = append(found.headings, strings.NewReplacer("`", "", "*", "").Replace(title[1]))
		}
		line = code.ReplaceAllString(line, "")
		for _, expression := range []*regexp.Regexp{inline, definition} {
			for _, link := range expression.FindAllStringSubmatch(line, -1) {
				found.links = append(found.links, link[1])
			}
		}
	}
	return found
}

// anchors are the fragments that lead to the headings, as GitHub makes them.
func (d document) anchors() []string {
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	var all []string
	for _, heading := range d.headings {
		anchor := dropped.ReplaceAllString(strings.ToLower(heading), "")
		all = append(all, strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}

// numbered yields the lines of a text, counted from 1.
func numbered(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(text) {
			number++
			if !yield(number, strings.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

func TestMarkdownFindsLinksAndHeadings(t *testing.T) {
	got := markdown("# The `one` idea: *state*!\n\nSee [a](b.md#c \"title\"), ![p](p.svg) and [r].\n`[no](no.md)`\n```sh\n# no heading\n[no](no.md)\n```\n[r]: ../r.md\n## Next\n")
	if want := []string{"b.md#c", "p.svg", "../r.md"}; !slices.Equal(got.links, want) {
		t.Errorf("links: got %q, want %q", got.links, want)
	}
	if want := []string{"The one idea: state!", "Next"}; !slices.Equal(got.headings, want) {
		t.Errorf("headings: got %q, want %q", got.headings, want)
	}
	if want := []string{"the-one-idea-state", "next"}; !slices.Equal(got.anchors(), want) {
		t.Errorf("anchors: got %q, want %q", got.anchors(), want)
	}
}

func TestFollowFindsDeadLinks(t *testing.T) {
	found := readTree(t)
	tests := []struct {
		name, from, link, want string
	}{
		{"a file beside it", "deploy/compose/demo/README.md", "demo.go", ""},
		{"a folder", "CONTRIBUTING.md", "pipeline/keyspace", ""},
		{"another site", "CONTRIBUTING.md", "https://example.com/x", ""},
		{"a file that is not there", "CONTRIBUTING.md", "docs/nothing.md", "there is no docs/nothing.md"},
		{"out of the repository", "CONTRIBUTING.md", "../x.md", "it leaves the repository"},
		{"a heading that is not there", "CONTRIBUTING.md", "#nothing-of-the-kind", "CONTRIBUTING.md has no such heading"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := found.follow(t, tt.from, tt.link); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
