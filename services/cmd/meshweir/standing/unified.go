package standing

import (
	"fmt"

	"github.com/pmezard/go-difflib/difflib"
	"sigs.k8s.io/yaml"
)

// Unified returns the way from what stands to what should stand as a unified diff of YAML; "" where nothing differs.
func (o Object) Unified() (string, error) {
	live, err := lines(o.Live)
	if err != nil {
		return "", err
	}
	desired, err := lines(o.Desired)
	if err != nil {
		return "", err
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: live, B: desired, FromFile: "live/" + o.Key, ToFile: "desired/" + o.Key, Context: 3,
	})
	if err != nil {
		return "", fmt.Errorf("comparing %s: %w", o.Key, err)
	}
	return text, nil
}

func lines(object map[string]any) ([]string, error) {
	if object == nil {
		return nil, nil
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, err
	}
	all := difflib.SplitLines(string(text))
	return all[:len(all)-1], nil // the text ends with a line break, and nothing comes after it
}
