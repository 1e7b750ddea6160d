// Package viewtest makes rows of manifests, for tests.
package viewtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/view"
)

// Row returns the key and the row of an object that stands in a cluster, and of which the conditions were said.
func Row(manifest string, conditions ...view.Condition) (resource.Key, *view.Row, error) {
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Namespace, Name string }
	}
	object, err := yaml.YAMLToJSON([]byte(manifest))
	if err == nil {
		err = json.Unmarshal(object, &head)
	}
	if err == nil && head.Kind == "" {
		err = errors.New("it names no kind")
	}
	if err != nil {
		return resource.Key{}, nil, fmt.Errorf("reading a manifest: %w:\n%s", err, manifest)
	}
	group, _, grouped := strings.Cut(head.APIVersion, "/")
	if !grouped {
		group = ""
	}
	live, err := view.DecodeFact("", object)
	row, _ := view.RowOf(view.Facts{Live: &live, Status: &view.Fact{Conditions: conditions}})
	return resource.Key{Group: group, Kind: head.Kind, Namespace: head.Metadata.Namespace, Name: head.Metadata.Name}, &row, err
}
