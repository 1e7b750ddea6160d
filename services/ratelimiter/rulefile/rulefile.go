// Package rulefile reads the rate limiter's configuration from YAML: envoyproxy/ratelimit's files, and the words that
// Meshweir adds (see [limits.Domain]). Each document of a file is one domain, and files may be about the same one.
//
// It is strict: a field that nobody knows is an error. Each [Finding] says where it is, by line and field, and how to
// mend it. Beside errors there are warnings, and what envoyproxy/ratelimit would make of the same file otherwise.
package rulefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// Severity says how grave a finding is.
type Severity string

const (
	// Error keeps a file from being used.
	Error Severity = "error"
	// Warning is about what is allowed and probably not meant.
	Warning Severity = "warning"
	// Difference is what envoyproxy/ratelimit makes of the file otherwise.
	Difference Severity = "difference"
	// Hint is about what surprises many, there as here.
	Hint Severity = "hint"
)

// Finding is one thing to say about a file.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"` // from 1; 0 for the file as a whole
	Column   int      `json:"column,omitempty"`
	Path     string   `json:"path,omitempty"` // "descriptors[2].rate_limit.unit"
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
}

// String is a finding in one line: "limits.yaml:3:5: error: descriptors[0].key: …".
func (f Finding) String() string {
	var text strings.Builder
	text.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&text, ":%d:%d", f.Line, f.Column)
	}
	fmt.Fprintf(&text, ": %s: ", f.Severity)
	if f.Path != "" {
		text.WriteString(f.Path + ": ")
	}
	return text.String() + f.Message
}

// Findings are an error when one of them is.
type Findings []Finding

// Errors are those that are errors.
func (f Findings) Errors() Findings {
	return slices.DeleteFunc(slices.Clone(f), func(one Finding) bool { return one.Severity != Error })
}

// Error lists the findings in one line.
func (f Findings) Error() string {
	var lines []string
	for _, one := range f {
		lines = append(lines, one.String())
	}
	return strings.Join(lines, "; ")
}

// Document is one domain as a file has it.
type Document struct {
	limits.Domain
	File string

	index  int // in the file
	places map[string]place
	odd    []oddity
}

type place struct{ line, column int }

// oddity is what only the text shows: the rest of a document does not tell.
type oddity struct{ path, message string }

const (
	maxBytes    = 16 << 20
	maxFindings = 20
)

// Read reads a file. Documents are those that could be read, without the fields of which the findings tell.
func Read(name string, data []byte) ([]*Document, Findings) {
	if len(data) > maxBytes {
		return nil, Findings{{File: name, Severity: Error, Message: fmt.Sprintf("the file has %d bytes, more than the %d that are read: split it up", len(data), maxBytes)}}
	}
	var documents []*Document
	var found Findings
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return documents, append(found, syntax(name, err))
		}
		if root.Kind != yaml.DocumentNode || len(root.Content) == 0 || empty(root.Content[0]) {
			continue
		}
		d := &Document{File: name, index: len(documents), places: map[string]place{}}
		r := reader{document: d, nodes: max(leastNodes, len(data))}
		r.read(root.Content[0], &d.Domain)
		documents = append(documents, d)
		found = append(found, r.found...)
	}
	if len(documents) == 0 {
		found = append(found, Finding{File: name, Severity: Error, Message: "the file says nothing: it needs domain and descriptors"})
	}
	if len(found) > maxFindings {
		found = found[:maxFindings]
		found[maxFindings-1].Message += " (and more in this file)"
	}
	return documents, found
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// syntax says where the parser gave up.
func syntax(name string, err error) Finding {
	f := Finding{File: name, Severity: Error, Message: "this is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if at := regexp.MustCompile(`^yaml: line (\d+): (.*)`).FindStringSubmatch(err.Error()); at != nil {
		f.Line, _ = strconv.Atoi(at[1])
		f.Column, f.Message = 1, "this is no YAML: "+at[2]
	}
	return f
}

// Build compiles documents; those of one domain become one. Findings are the errors, with which there is no Config, or
// the warnings.
func Build(documents []*Document) (*rules.Config, Findings) {
	domains := make([]limits.Domain, len(documents))
	for i, d := range documents {
		domains[i] = d.Domain
	}
	config, err := rules.Build(domains...)
	if wrong := (*rules.Error)(nil); errors.As(err, &wrong) {
		return nil, locate(documents, wrong.Problems, Error)
	}
	return config, locate(documents, config.Warnings(), Warning)
}

func locate(documents []*Document, problems []rules.Problem, severity Severity) Findings {
	var found Findings
	for _, p := range problems {
		found = append(found, documents[p.Document].finding(p.Path, severity, p.Message))
	}
	return found
}

// finding says something of a field, or of what it would stand in when it is not there.
func (d *Document) finding(path string, severity Severity, message string) Finding {
	at, found := d.places[path]
	for above := path; !found && above != ""; {
		above = above[:max(strings.LastIndexAny(above, ".["), 0)]
		at, found = d.places[above]
	}
	return Finding{File: d.File, Line: at.line, Column: at.column, Path: path, Severity: severity, Message: message}
}
