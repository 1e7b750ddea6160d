package inventory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

func TestDecode(t *testing.T) {
	const managed = `"labels":{"app.kubernetes.io/managed-by":"meshweir"},"annotations":{"meshweir.io/source-clusters":"east"}`
	for _, test := range []struct {
		name, key, value string
		ignored          bool
		problem          string
		wantErr          bool
	}{
		{name: "a kind that is read", key: "Service/shop/a", value: `{"spec":{"ports":[{"port":80}]}}`},
		{name: "a kind that is not read is not even parsed", key: "Deployment.apps/shop/a", value: `garbage`, ignored: true},
		{name: "an Istio object of somebody else", key: "VirtualService.networking.istio.io/shop/a", value: `{"metadata":{}}`, ignored: true},
		{name: "an Istio object that only looks like ours", key: "VirtualService.networking.istio.io/shop/a", value: `{"metadata":{"annotations":{"meshweir.io/source-clusters":"east"}}}`, ignored: true},
		{name: "an Istio object of ours", key: "VirtualService.networking.istio.io/shop/a", value: `{"metadata":{` + managed + `}}`},
		{name: "a field of the wrong type is named", key: "HTTPRoute.gateway.networking.k8s.io/shop/a", value: `{"spec":{"rules":[{"matches":"x"}]}}`, problem: "spec.rules.matches: a JSON string does not belong there", wantErr: true},
		{name: "garbage exists and says nothing", key: "Gateway.gateway.networking.k8s.io/shop/a", value: `garbage`, problem: "invalid character 'g' looking for beginning of value", wantErr: true},
		{name: "a bad key", key: "Service", value: `{}`, ignored: true, wantErr: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			object, err := inventory.Decode(test.key, []byte(test.value))
			if (err != nil) != test.wantErr {
				t.Errorf("error is %v, want one: %v", err, test.wantErr)
			}
			if object.Ignored() != test.ignored || object.Problem != test.problem {
				t.Errorf("got ignored %v and problem %q, want %v and %q", object.Ignored(), object.Problem, test.ignored, test.problem)
			}
		})
	}
}

func TestPutTellsWhetherItMadeADifference(t *testing.T) {
	inv := inventory.New(graph.New())
	put := func(value string) bool {
		object, _ := inventory.Decode("Service/shop/a", []byte(value))
		return inv.Put("east", object)
	}
	if put(`{"spec":{"ports":[{"port":80}]}}`) {
		t.Error("an object of a cluster that is not complete made a visible difference")
	}
	inv.SetComplete("east", true)
	for _, test := range []struct {
		name, value string
		want        bool
	}{
		{"the same", `{"spec":{"ports":[{"port":80}]}}`, false},
		{"what the server notes", `{"metadata":{"resourceVersion":"2","uid":"x","annotations":{"a":"b"}},"spec":{"ports":[{"port":80}]}}`, false},
		{"another port", `{"spec":{"ports":[{"port":81}]}}`, true},
		{"a problem", `{"spec":{"ports":"x"}}`, true},
		{"the same problem", `{"spec":{"ports":"x"}}`, false},
		{"another problem", `{"spec":{"ports":7}}`, true},
	} {
		if got := put(test.value); got != test.want {
			t.Errorf("%s: made a difference: %v, want %v", test.name, got, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, kind := range []string{
		"GatewayClass.gateway.networking.k8s.io", "Gateway.gateway.networking.k8s.io", "HTTPRoute.gateway.networking.k8s.io", "GRPCRoute.gateway.networking.k8s.io",
		"ReferenceGrant.gateway.networking.k8s.io", "GlobalService.meshweir.io", "Certificate.internal.meshweir.io",
		"GatewayEndpoint.internal.meshweir.io", "Mesh.internal.meshweir.io", "Service", "Namespace", "ConfigMap", "VirtualService.networking.istio.io", "Pod",
	} {
		f.Add(kind+"/shop/a", `{"metadata":{"name":"b","labels":{"app.kubernetes.io/managed-by":"meshweir"},"annotations":{"meshweir.io/source-clusters":"a,,b"}},"spec":{"parentRefs":[{"name":"x"}],"rules":[{}],"hosts":["x"]}}`)
		f.Add(kind+"/shop/a", `{"metadata":[],"spec":"x","status":null}`)
		f.Add(kind+"/shop/a", `null`)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		object, err := inventory.Decode(key, []byte(value))
		if err != nil && object.Problem == "" && !object.Ignored() {
			t.Errorf("%q has an error and no problem: %v", key, err)
		}
		if object.Problem != "" && !errors.Is(err, inventory.ErrObject) {
			t.Errorf("%q has a problem and the error %v", key, err)
		}
		if !object.Ignored() && object.Key.String() != key {
			t.Errorf("%q became %q", key, object.Key)
		}
		again, _ := inventory.Decode(key, []byte(value))
		inv := inventory.New(graph.New())
		inv.SetComplete("east", true)
		inv.Put("east", object)
		if inv.Put("east", again) {
			t.Errorf("%q decoded twice is two things: %s", key, strings.ToValidUTF8(value, "?"))
		}
		inv.SetComplete("east", false)
	})
}
