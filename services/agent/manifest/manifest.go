// Package manifest reads files of Kubernetes manifests: YAML of several
// documents, JSON, and Lists in either.
//
// A bad document is a [Problem] with its line and a way to mend it; the other
// documents of the file are read all the same.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Document is one object of a file.
type Document struct {
	// Object has an apiVersion and a kind; nothing else about it was checked.
	Object *unstructured.Unstructured
	// Line is the line, from 1, at which the object's document starts.
	Line int
	// Index counts the documents of the file from 0. The items of a List share one.
	Index int

	part part
}

// Problem says what is wrong with one document, and how to mend it.
type Problem struct {
	// Line is the line, from 1, that the parser complained about, or at which the document starts.
	Line int
	// Document is the document's index, from 0.
	Document int
	// Message is written for the author of the manifest. It quotes nothing of the manifest, which may be a Secret.
	Message string
}

// Read returns every object of a file, in the file's order, and what could not be read.
func Read(data []byte) (docs []Document, problems []Problem) {
	for i, part := range split(data) {
		objects, err := part.objects()
		for _, o := range objects {
			docs = append(docs, Document{Object: &unstructured.Unstructured{Object: o}, Line: part.firstLine(), Index: i, part: part})
		}
		if err != nil {
			line := part.firstLine()
			if e := (*lineError)(nil); errors.As(err, &e) {
				line = min(part.line+e.line-1, part.lastLine())
			}
			problems = append(problems, Problem{Line: line, Document: i, Message: err.Error()})
		}
	}
	return docs, problems
}

// part is the text of one document and the line of the file at which the text starts.
type part struct {
	text []byte
	line int
}

// firstLine is the line of the first thing that the document says.
func (p part) firstLine() int {
	line := p.line
	for text := range bytes.Lines(p.text) {
		if !blank(text) {
			return line
		}
		line++
	}
	return p.line
}

func (p part) lastLine() int {
	return p.line + bytes.Count(bytes.TrimSuffix(p.text, []byte("\n")), []byte("\n"))
}

// split cuts a file at its document separators. A "---" in the first column
// ends a document wherever it stands (YAML 1.2, section 9.1.4), so no parsing
// is needed, and a document that does not parse hides none of its neighbours.
func split(data []byte) []part {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var parts []part
	current := part{line: 1}
	end := func() {
		if !blank(current.text) {
			parts = append(parts, current)
		}
	}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if rest, ok := bytes.CutPrefix(text, []byte("---")); ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0) {
			end()
			// What stands behind the separator belongs to the new document; spaces keep its columns true.
			current = part{text: append([]byte("   "), rest...), line: line}
			continue
		}
		if len(current.text) == 0 {
			current.line = line
		}
		current.text = append(current.text, text...)
	}
	end()
	return parts
}

// blank reports whether a document has nothing but comments, directives and end marks.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '%' && !bytes.Equal(line, []byte("...")) {
			return false
		}
	}
	return true
}

// objects returns the objects of one document, Lists taken apart.
func (p part) objects() ([]map[string]any, error) {
	if objects, ok := jsonObjects(p.text); ok {
		return flatten(objects)
	}
	text, err := yaml.YAMLToJSONStrict(p.text)
	if err != nil {
		return nil, p.mistake(err)
	}
	var value any
	if kjson.Unmarshal(text, &value) != nil { // its error quotes what it read
		return nil, errors.New("the document holds a number that cannot be represented, or is nested too deeply: correct it")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is %s, not an object: begin it with apiVersion and kind, or move it out of this folder", describe(value))
	}
	return flatten([]map[string]any{object})
}

// jsonObjects reads JSON objects that follow one another. JSON is tried before
// YAML because YAML forbids the tabs that JSON is often indented with.
func jsonObjects(text []byte) ([]map[string]any, bool) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	var objects []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, true
		}
		var object map[string]any
		if err != nil || kjson.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		objects = append(objects, object)
	}
}

func describe(value any) string {
	switch value.(type) {
	case []any:
		return "a list"
	case nil:
		return "empty"
	default:
		return "plain text"
	}
}
