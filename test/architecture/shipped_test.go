package architecture

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// broken is the one shipped manifest that is no YAML: a demonstration of what
// Meshweir says of it.
const broken = "deploy/compose/demo/west/apps/recommendations/broken.yaml"

// TestShippedYAMLParses reads every YAML file in the repository that is not test data.
func TestShippedYAMLParses(t *testing.T) {
	found := readTree(t)
	files := found.under(".", ".yaml", ".yml")
	if !slices.Contains(files, broken) {
		t.Errorf("%s is gone: so must be its exemption here", broken)
	}
	for _, file := range files {
		documents, err := parseYAML(found.read(t, file))
		switch {
		case file == broken && err == nil:
			t.Errorf("%s: parses, and is meant not to", file)
		case file == broken:
		case err != nil:
			t.Errorf("%s: %v", file, err)
		case documents == 0:
			t.Errorf("%s: holds nothing", file)
		}
	}
}

// parseYAML counts the documents that are not empty.
func parseYAML(text string) (documents int, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return documents, err
		}
		if document != nil {
			documents++
		}
	}
}

func TestParseYAMLRefusesWhatReadersWould(t *testing.T) {
	tests := []struct {
		name, in string
		want     int
		wantErr  bool
	}{
		{"two documents", "a: 1\n---\nb: 2\n", 2, false},
		{"an empty document", "---\n# nothing\n---\na: 1\n", 1, false},
		{"a key twice", "a: 1\na: 2\n", 0, true},
		{"a bad second document", "a: 1\n---\nb:\n  c: 1\n d: 2\n", 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseYAML(tt.in)
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %d documents and %v, want %d and an error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}
