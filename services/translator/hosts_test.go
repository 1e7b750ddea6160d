package translator_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator"
)

// istioObject is what checkHosts reads of a VirtualService or a ServiceEntry.
type istioObject struct {
	Metadata struct{ Annotations map[string]string }
	Spec     struct {
		Hosts []string
		Ports []struct{ Number int }
		HTTP  []struct {
			Route   []struct{ Destination destination }
			Mirrors []struct{ Destination destination }
		} `json:"http"`
	}
}

type destination struct {
	Host string
	Port struct{ Number int }
}

// checkHosts proves that each host and port that a VirtualService routes to
// exists: as a Service of that cluster, or as a ServiceEntry that is output.
// What is held may lead to what is gone: it is not ours to judge.
func checkHosts(t *testing.T, f fleet, outputs translator.Outputs) {
	t.Helper()
	for cluster, values := range outputs.Objects {
		known := map[string]bool{}
		for _, object := range f.Clusters[cluster].Objects {
			addServiceHosts(t, known, object)
		}
		parsed := map[resource.Key]istioObject{}
		for key, value := range values {
			var object istioObject
			if err := json.Unmarshal(value, &object); err != nil {
				t.Fatal(err)
			}
			parsed[key] = object
			if key.Kind == "ServiceEntry" {
				for _, port := range object.Spec.Ports {
					known[fmt.Sprintf("%s:%d", object.Spec.Hosts[0], port.Number)] = true
				}
			}
		}
		for key, object := range parsed {
			if key.Kind != "VirtualService" || f.holds(object) {
				continue
			}
			for i, rule := range object.Spec.HTTP {
				destinations := []destination{}
				for _, route := range rule.Route {
					destinations = append(destinations, route.Destination)
				}
				for _, mirror := range rule.Mirrors {
					destinations = append(destinations, mirror.Destination)
				}
				for _, d := range destinations {
					if host := fmt.Sprintf("%s:%d", d.Host, d.Port.Number); !known[host] {
						t.Errorf("%s %s: rule %d leads to %s, which does not exist", cluster, key, i, host)
					}
				}
			}
		}
	}
}

// addServiceHosts adds "host:port" for each port of a Service.
func addServiceHosts(t *testing.T, known map[string]bool, object manifest) {
	t.Helper()
	if object.key().Kind != "Service" {
		return
	}
	var spec struct {
		Spec struct{ Ports []struct{ Port int } }
	}
	value, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(value, &spec)
	}
	if err != nil {
		return // a Service that cannot be read is none
	}
	for _, port := range spec.Spec.Ports {
		known[fmt.Sprintf("%s.%s.svc.cluster.local:%d", object.key().Name, object.key().Namespace, port.Port)] = true
	}
}

// holds reports whether an object was made from a cluster that is missing.
func (f fleet) holds(object istioObject) bool {
	for name := range strings.SplitSeq(object.Metadata.Annotations[resource.SourceClustersAnnotation], ",") {
		if cluster, ok := f.Clusters[name]; (!ok || cluster.Missing) && !slices.Contains(f.Deregistered, name) {
			return true
		}
	}
	return false
}
