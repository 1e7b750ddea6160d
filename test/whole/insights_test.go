package whole

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// awaitInsight waits until something is said of east under an ID.
func (s *system) awaitInsight(id string) (said insight.Insight) {
	s.t.Helper()
	eventually(s.t, id, func() (string, bool) {
		values := s.values(insightsEast)[insightsEast]
		if err := json.Unmarshal([]byte(values[id]), &said); err != nil {
			return fmt.Sprintf("%v: all that is said is %q", err, sorted(values)), false
		}
		return "", true
	})
	return said
}

// awaitSilence waits until all that is said of east is known, and nothing is said under an ID.
func (s *system) awaitSilence(id string) {
	s.t.Helper()
	eventually(s.t, "the end of "+id, func() (string, bool) {
		values, complete := s.values(insightsEast)[insightsEast]
		return fmt.Sprintf("complete: %v, %s", complete, values[id]), complete && values[id] == ""
	})
}

const insightsEast keyspace.Name = "insight/east"

// proves reports whether an insight has a piece of evidence about its target: a field, and a value, where it is not empty.
func proves(said insight.Insight, field, value string) bool {
	return slices.ContainsFunc(said.Evidence, func(e insight.Evidence) bool {
		return e.Source == said.Target && e.Field == field && (value == "" || e.Value == value)
	})
}

func TestAnInsightAppearsWithItsProofAndClosesOnceMended(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		const routes, right, wrong = "east/apps/cart/routes.yaml", "- name: cart\n", "- name: carts\n"
		const object = "HTTPRoute.gateway.networking.k8s.io/cart/cart"
		const id = "CFG0101/east/" + object + "#carts.cart.svc.cluster.local"
		s.awaitSilence(id)
		s.edit(routes, right, wrong)
		said := s.awaitInsight(id)
		if want := (insight.Ref{Cluster: "east", Object: object}); said.Target != want || said.Severity != insight.Error || said.Unknown != "" {
			t.Errorf("got %+v, want an error of %v", said, want)
		}
		if !proves(said, "spec.rules[0].backendRefs[0].name", "carts") {
			t.Errorf("the evidence lacks the field: %+v", said.Evidence)
		}
		s.edit(routes, wrong, right)
		s.awaitSilence(id)
		s.awaitConverged()
	})
}

func TestWhatOthersChangeAgainAndAgainIsAppliedEachTimeAndSaid(t *testing.T) {
	eachArrangement(t, func(t *testing.T, s *system) {
		file, good, key := s.anApplied("east", "VirtualService")
		for i := range 3 {
			s.replace(file, withHost(t, good, fmt.Sprintf("hand-%d.example.com", i)))
			eventually(t, "the file to be as it was", func() (string, bool) {
				now, err := os.ReadFile(file)
				return string(now), err == nil && string(now) == good
			})
			eventually(t, "the report of it", func() (string, bool) {
				var report internalv1.Applied
				text := s.values("applied/east")["applied/east"][key]
				err := json.Unmarshal([]byte(text), &report)
				return text, err == nil && report.Drift != nil && report.Drift.Times == i+1
			})
		}
		said := s.awaitInsight("CFG0117/east/" + key)
		if want := (insight.Ref{Cluster: "east", Object: key}); said.Target != want || said.Severity != insight.Warning {
			t.Errorf("got %+v, want a warning of %v", said, want)
		}
		if !proves(said, "", "3 times") || !proves(said, "spec.hosts[0]", "") || !proves(said, "", "3 of 3 times") {
			t.Errorf("the evidence lacks how often, the field, or that nobody is named: %+v", said.Evidence)
		}
		s.awaitConverged()
	})
}

// anApplied returns a file of the applied folder of a cluster with an object of a kind, what it holds, and the object's key.
func (s *system) anApplied(cluster, kind string) (path, content, key string) {
	s.t.Helper()
	all := s.applied(cluster)
	for _, file := range sorted(all) {
		var object struct {
			APIVersion, Kind string
			Metadata         struct{ Namespace, Name string }
		}
		if err := yaml.Unmarshal([]byte(all[file]), &object); err != nil {
			s.t.Fatal(err)
		}
		if object.Kind != kind || strings.HasPrefix(file, "status/") {
			continue
		}
		group, _, _ := strings.Cut(object.APIVersion, "/")
		of := resource.Key{Group: group, Kind: kind, Namespace: object.Metadata.Namespace, Name: object.Metadata.Name}
		return filepath.Join(s.clusters, "applied", cluster, filepath.FromSlash(file)), all[file], of.String()
	}
	s.t.Fatalf("no %s is applied in %s, of %q", kind, cluster, sorted(all))
	return "", "", ""
}

// replace puts a file in the place of another one at once: half of one would be damaged.
func (s *system) replace(path, content string) {
	s.t.Helper()
	whole := filepath.Join(s.t.TempDir(), "new.yaml")
	if err := os.WriteFile(whole, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(whole, path); err != nil {
		s.t.Fatal(err)
	}
}

// withHost returns a manifest with another first host.
func withHost(t *testing.T, manifest, host string) string {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
		t.Fatal(err)
	}
	spec, _ := object["spec"].(map[string]any)
	hosts, _ := spec["hosts"].([]any)
	if len(hosts) == 0 {
		t.Fatalf("no hosts in %s", manifest)
	}
	hosts[0] = host
	changed, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}
