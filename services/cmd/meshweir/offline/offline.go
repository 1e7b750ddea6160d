// Package offline translates manifests as agents and a translator would, and
// looks at them as insights would, by the code of all three, while none of them
// runs and without Redis: what is in the folders is all that is known of the fleet.
package offline

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/folder"
	"github.com/meshweir/meshweir/services/translator"
)

// Result is what comes of a fleet's manifests.
type Result struct {
	// Objects are what the clusters should be given, by cluster and then by key.
	Objects []Object
	// Findings are what is wrong with the manifests, by cluster, file and line.
	Findings []Finding
}

// Object is one object of one cluster's output.
type Object struct {
	Cluster string
	Key     resource.Key
	// YAML is one document, with a line break at its end.
	YAML []byte
}

// Translate reads the folders of clusters, by name, and translates them. An error says that nothing came of it; what is
// wrong with one manifest is a finding, and all others count.
func Translate(folders map[string]string) (Result, error) {
	inputs := translator.Inputs{Clusters: map[string]translator.Cluster{}}
	contents := map[string]folder.Content{}
	var result Result
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		content, err := folder.Read(slog.New(slog.DiscardHandler), folders[name], name)
		if err != nil {
			return Result{}, err
		}
		contents[name] = content
		cluster := translator.Cluster{Complete: true, Objects: map[string]translator.Object{}}
		for key, value := range content.Objects {
			object, _ := translator.Decode(key.String(), value) // what cannot be read has a status that says so
			cluster.Objects[key.String()] = object
			if object.Ignored() && slices.Contains([]string{resource.GatewayGroup, resource.Group}, key.Group) {
				file, line := content.Place(key)
				result.Findings = append(result.Findings, Finding{
					Cluster: name, File: file, Line: line, Object: key.String(), Message: "Meshweir makes nothing of this kind", Minor: true,
				})
			}
		}
		inputs.Clusters[name] = cluster
		for _, p := range content.Problems {
			result.Findings = append(result.Findings, Finding{Cluster: name, File: p.File, Line: p.Line, Message: p.Message})
		}
	}
	outputs := translator.Translate(inputs)
	for _, name := range slices.Sorted(maps.Keys(outputs.Objects)) {
		objects := outputs.Objects[name]
		for _, key := range slices.SortedFunc(maps.Keys(objects), byText) {
			text, err := yaml.JSONToYAML(objects[key])
			if err != nil {
				return Result{}, fmt.Errorf("printing %s of %s: %w", key, name, err)
			}
			result.Objects = append(result.Objects, Object{Cluster: name, Key: key, YAML: text})
		}
	}
	for name, statuses := range outputs.Statuses {
		for key, status := range statuses {
			found, err := Findings(status)
			if err != nil {
				return Result{}, fmt.Errorf("reading the status of %s of %s: %w", key, name, err)
			}
			for _, f := range found {
				f.Cluster, f.Object = name, key.String()
				f.File, f.Line = contents[name].Place(key, fieldOf(f.Message)...)
				result.Findings = append(result.Findings, f)
			}
		}
	}
	result.Findings = append(result.Findings, unsaid(insightsOf(contents), result.Findings)...)
	slices.SortFunc(result.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			strings.Compare(a.String(), b.String()))
	})
	return result, nil
}

func byText(a, b resource.Key) int { return strings.Compare(a.String(), b.String()) }
