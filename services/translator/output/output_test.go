package output_test

import (
	"strings"
	"testing"

	networking "istio.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/translator/inventory"
	"github.com/meshweir/meshweir/services/translator/output"
)

func TestNamesAreDNSLabelsAndTellPartsApart(t *testing.T) {
	long := strings.Repeat("long-", 40)
	seen := map[string][]string{}
	for _, parts := range [][]string{
		{"web"},
		{"web", "shop.example.com"},
		{"web", "shop-example.com"},
		{"web-shop", "example.com"},
		{"web", "*.example.com"},
		{"web", "x.example.com"},
		{"web", "*"},
		{long, "a"},
		{long, "b"},
		{"-"},
		{""},
		{"UPPER"},
		{"ümlaut"},
	} {
		name := output.Name(parts...)
		if len(name) > 63 || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(name, "-") {
			t.Errorf("%q became %q, which is no DNS label", parts, name)
		}
		if before, ok := seen[name]; ok {
			t.Errorf("%q and %q are both %q", before, parts, name)
		}
		seen[name] = parts
		if name != output.Name(parts...) {
			t.Errorf("%q has two names", parts)
		}
	}
}

func TestObjectIsTheSameByteForByte(t *testing.T) {
	sources := output.NewSources(
		inventory.Ref{Cluster: "west", Key: resource.Key{Kind: "Service", Namespace: "shop", Name: "b"}},
		inventory.Ref{Cluster: "east", Key: resource.Key{Kind: "Service", Namespace: "shop", Name: "a"}},
	)
	sources.AddClusters("mgmt")
	meta := output.Meta{
		Kind: "ServiceEntry", Namespace: "shop", Name: "a",
		Labels:  map[string]string{"team": "shop", resource.ManagedByLabel: "somebody"},
		Sources: sources,
	}
	spec := &networking.ServiceEntry{
		Hosts:     []string{"a<b>.example.com"},
		Endpoints: []*networking.WorkloadEntry{{Address: "192.0.2.1", Ports: map[string]uint32{"b": 2, "a": 1}}},
	}
	const want = `{"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry","metadata":{"annotations":{"meshweir.io/source-clusters":"east,mgmt,west","meshweir.io/sources":"east:Service/shop/a,west:Service/shop/b"},"labels":{"app.kubernetes.io/managed-by":"meshweir","team":"shop"},"name":"a","namespace":"shop"},"spec":{"endpoints":[{"address":"192.0.2.1","ports":{"a":1,"b":2}}],"hosts":["a<b>.example.com"]}}`
	for range 20 { // protojson puts spaces at random
		if got := string(output.Object(meta, spec)); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

func TestStatusHasNoTimes(t *testing.T) {
	status := struct {
		Conditions []metav1.Condition `json:"conditions"`
	}{[]metav1.Condition{output.Condition("Accepted", false, "Invalid", "why", 3)}}
	const want = `{"observedGeneration":3,"status":{"conditions":[{"message":"why","observedGeneration":3,"reason":"Invalid","status":"False","type":"Accepted"}]}}`
	if got := string(output.Status(3, status)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
