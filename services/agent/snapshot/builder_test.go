package snapshot

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

func keys(changes Changes) (set, deleted []string) {
	for _, o := range changes.Set {
		set = append(set, o.Key.String())
	}
	for _, k := range changes.Deleted {
		deleted = append(deleted, k.String())
	}
	return set, deleted
}

func namespace(t *testing.T, name, mesh string) Object {
	return reduce(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{"mesh":%q}}}`, name, mesh))
}

func service(t *testing.T, namespace, name string) Object {
	return reduce(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"Service","metadata":{"name":%q,"namespace":%q}}`, name, namespace))
}

func meshConfig(t *testing.T, name, config string) Object {
	return reduce(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"istio-system"},"data":{"mesh":%q}}`, name, config))
}

const meshOn = `discoverySelectors: [{matchLabels: {mesh: "on"}}]`

func TestNamespaceLeavesAndJoinsWithItsLabels(t *testing.T) {
	b := NewBuilder()
	b.Update([]Object{meshConfig(t, "istio", meshOn), namespace(t, "shop", "on"), service(t, "shop", "cart"), service(t, "other", "x")}, nil)
	for _, step := range []struct {
		mesh         string
		set, deleted []string
	}{
		{"off", []string{"Namespace//shop"}, []string{"Service/shop/cart"}},
		{"on", []string{"Namespace//shop", "Service/shop/cart"}, nil},
	} {
		set, deleted := keys(b.Update([]Object{namespace(t, "shop", step.mesh)}, nil))
		if diff := cmp.Diff(step.set, set) + cmp.Diff(step.deleted, deleted); diff != "" {
			t.Errorf("mesh=%s (-want +got):\n%s", step.mesh, diff)
		}
	}
}

func TestNamespaceStaysWhileAnyRevisionLooksAtIt(t *testing.T) {
	b := NewBuilder()
	b.Update([]Object{meshConfig(t, "istio", meshOn), service(t, "shop", "cart")}, nil)
	set, _ := keys(b.Update([]Object{meshConfig(t, "istio-next", "{}")}, nil))
	if want := []string{"ConfigMap/istio-system/istio-next", "Service/shop/cart"}; !cmp.Equal(set, want) {
		t.Errorf("got %v, want %v", set, want)
	}
	_, deleted := keys(b.Update(nil, []resource.Key{{Kind: "ConfigMap", Namespace: "istio-system", Name: "istio-next"}}))
	if want := []string{"ConfigMap/istio-system/istio-next", "Service/shop/cart"}; !cmp.Equal(deleted, want) {
		t.Errorf("got %v deleted, want %v", deleted, want)
	}
}

func TestConfigMapIsTakenWhileAGatewayNamesIt(t *testing.T) {
	b := NewBuilder()
	config := reduce(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"},"data":{"selector":"a: b"}}`)
	gateway := func(name, parameters string) Object {
		return reduce(t, fmt.Sprintf(`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":%q,"namespace":"shop"},
			"spec":{"infrastructure":{"parametersRef":{"group":"","kind":"ConfigMap","name":%q}}}}`, name, parameters))
	}
	if set, _ := keys(b.Update([]Object{config}, nil)); len(set) > 0 {
		t.Errorf("got %v of a ConfigMap that nothing names", set)
	}
	if set, _ := keys(b.Update([]Object{gateway("a", "web"), gateway("b", "web")}, nil)); len(set) != 3 {
		t.Errorf("got %v, want both Gateways and the ConfigMap", set)
	}
	if _, deleted := keys(b.Update([]Object{gateway("a", "else")}, nil)); len(deleted) > 0 {
		t.Errorf("got %v deleted while a Gateway names it", deleted)
	}
	_, deleted := keys(b.Update(nil, []resource.Key{gateway("b", "").Key}))
	if want := []string{"ConfigMap/shop/web", "Gateway.gateway.networking.k8s.io/shop/b"}; !cmp.Equal(deleted, want) {
		t.Errorf("got %v deleted, want %v", deleted, want)
	}
}

func TestEndpointFollowsWhatItIsMadeOf(t *testing.T) {
	b := NewBuilder()
	spec := func(changes Changes) internalv1.GatewayEndpointSpec {
		t.Helper()
		for _, o := range changes.Set {
			if o.Key.Kind == internalv1.KindGatewayEndpoint {
				var e internalv1.GatewayEndpoint
				if err := json.Unmarshal(o.Value, &e); err != nil {
					t.Fatal(err)
				}
				return e.Spec
			}
		}
		t.Fatalf("got no endpoint in %v", changes)
		return internalv1.GatewayEndpointSpec{}
	}
	gateway := `{"apiVersion":"v1","kind":"Service","metadata":{"name":"ew","namespace":"istio-system","labels":{"istio":"eastwestgateway"}},"spec":{"ports":[{"name":"tls","port":443}]},"status":{"loadBalancer":{"ingress":[{"ip":%q}]}}}`
	got := spec(b.Update([]Object{reduce(t, fmt.Sprintf(gateway, "192.0.2.1"))}, nil))
	if want := (internalv1.GatewayEndpointSpec{Addresses: []string{"192.0.2.1"}, Port: 443}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	root := reduce(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"istio-system","labels":{"topology.istio.io/network":"net"}}}`)
	if got := spec(b.Update([]Object{root}, nil)); got.Network != "net" {
		t.Errorf("got network %q, want that of the root namespace", got.Network)
	}
	other := reduce(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"mesh-root","labels":{"topology.istio.io/network":"other"}}}`)
	config := meshConfig(t, "istio", "rootNamespace: mesh-root")
	if got := spec(b.Update([]Object{other, config}, nil)); got.Network != "other" {
		t.Errorf("got network %q, want that of the root namespace that the mesh configuration names", got.Network)
	}
	b.Update(nil, []resource.Key{config.Key})
	node := reduce(t, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"topology.kubernetes.io/region":"eu","topology.kubernetes.io/zone":"eu-a"}}}`)
	if got := spec(b.Update([]Object{node}, nil)); got.Locality != "eu/eu-a" {
		t.Errorf("got locality %q, want eu/eu-a", got.Locality)
	}
	block, _ := pem.Decode(certificatePEM(t))
	bundle, err := json.Marshal(string(pem.EncodeToMemory(block)))
	if err != nil {
		t.Fatal(err)
	}
	roots := reduce(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"istio-ca-root-cert","namespace":"istio-system"},"data":{"root-cert.pem":`+string(bundle)+`}}`)
	changes := b.Update([]Object{roots}, nil)
	var mesh internalv1.Mesh
	if set, _ := keys(changes); !cmp.Equal(set, []string{"Mesh.internal.meshweir.io/istio-system/istio-ca-root-cert"}) {
		t.Errorf("got %v, want the mesh alone", set)
	} else if err := json.Unmarshal(changes.Set[0].Value, &mesh); err != nil || len(mesh.Spec.TrustRoots) != 1 {
		t.Errorf("got %v (%v), want one root", mesh, err)
	}
	if set, _ := keys(b.Update([]Object{roots}, nil)); len(set) > 0 {
		t.Errorf("got %v of the same roots again", set)
	}
	if _, gone := keys(b.Update(nil, []resource.Key{roots.Key})); !cmp.Equal(gone, []string{"Mesh.internal.meshweir.io/istio-system/istio-ca-root-cert"}) {
		t.Errorf("got %v deleted without the roots, want the mesh", gone)
	}
	_, deleted := keys(b.Update(nil, []resource.Key{{Kind: "Service", Namespace: "istio-system", Name: "ew"}}))
	if want := []string{"GatewayEndpoint.internal.meshweir.io/istio-system/ew", "Service/istio-system/ew"}; !cmp.Equal(deleted, want) {
		t.Errorf("got %v deleted, want %v", deleted, want)
	}
}

// Whatever the order of updates, the snapshot is the one that the same objects give at once.
func TestUpdatesAddUpToAFreshBuild(t *testing.T) {
	pool := []Object{
		meshConfig(t, "istio", meshOn), meshConfig(t, "istio", "{}"), meshConfig(t, "istio-b", `discoverySelectors: [{matchLabels: {mesh: b}}]`),
		namespace(t, "shop", "on"), namespace(t, "shop", "off"), namespace(t, "web", "b"), namespace(t, "istio-system", "off"),
		service(t, "shop", "cart"), service(t, "web", "front"), service(t, "bare", "x"),
		reduce(t, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"ew","namespace":"web","labels":{"istio":"eastwestgateway"}}}`),
		reduce(t, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"ew","namespace":"web"}}`),
		reduce(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p","namespace":"shop"},"data":{"a":"b"}}`),
		reduce(t, `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"g","namespace":"shop"},"spec":{"infrastructure":{"parametersRef":{"kind":"ConfigMap","name":"p"}}}}`),
		reduce(t, `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"g","namespace":"shop"}}`),
	}
	random := rand.New(rand.NewPCG(1, 2))
	b, now, replica := NewBuilder(), map[resource.Key]Object{}, map[resource.Key][]byte{}
	for step := range 2000 {
		var set []Object
		var deleted []resource.Key
		for range 1 + random.IntN(3) {
			o := pool[random.IntN(len(pool))]
			if random.IntN(3) == 0 {
				deleted = append(deleted, o.Key)
				delete(now, o.Key)
			}
		}
		for range random.IntN(3) {
			o := pool[random.IntN(len(pool))]
			set = append(set, o)
			now[o.Key] = o
		}
		changes := b.Update(set, deleted)
		for _, key := range changes.Deleted {
			delete(replica, key)
		}
		for _, o := range changes.Set {
			replica[o.Key] = o.Value
		}
		var all []Object
		for _, o := range now {
			all = append(all, o)
		}
		fresh := NewBuilder()
		fresh.Update(all, nil)
		if len(fresh.shown) != len(replica) {
			t.Fatalf("step %d: got %d objects, want %d", step, len(replica), len(fresh.shown))
		}
		for key, want := range fresh.shown {
			if !bytes.Equal(replica[key], want) {
				t.Fatalf("step %d: got %s for %s, want %s", step, replica[key], key, want)
			}
		}
	}
}
