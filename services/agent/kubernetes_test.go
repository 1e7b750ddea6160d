package agent

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/kubernetes"
)

// agentUser is the service account of the shipped manifests.
const agentUser = "system:serviceaccount:meshweir:meshweir-agent"

const realCluster = `
apiVersion: v1
kind: Namespace
metadata: {name: meshweir}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: istio-system, labels: {topology.istio.io/network: east-net}}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: shop}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: istio-eastwestgateway, namespace: istio-system, labels: {istio: eastwestgateway}}
spec: {type: LoadBalancer, selector: {istio: eastwestgateway}, ports: [{name: tls, port: 15443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, annotations: {istio.io/rev: default, password: hunter2}}
spec:
  containers: [{name: cart, image: example.test/cart, env: [{name: PASSWORD, value: hunter2}], args: [--password=hunter2]}]
`

func startCluster(t *testing.T) *apiserver.Server {
	t.Helper()
	server := apiserver.Start(t, apiserver.Config{Name: "east", Users: map[string][]string{agentUser: {"system:serviceaccounts"}}})
	server.Apply(realCluster)
	server.Apply(apiserver.FromModule(t, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"))
	rights, err := os.ReadFile("../../deploy/k8s/base/agent/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	server.Apply(string(rights))
	return server
}

// ask asks the API server as its administrator, and decodes the answer.
func ask(t *testing.T, server *apiserver.Server, request apiserver.Request) (object struct {
	Metadata struct {
		UID                 string
		Labels, Annotations map[string]string
		ManagedFields       []struct{ Manager, Operation string }
	}
	Spec struct{ Hosts []string }
},
) {
	t.Helper()
	answer := server.Do(request)
	if answer.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", request.Method, request.Path, answer.Code, answer.Body)
	}
	if err := json.Unmarshal(answer.Body, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestRealCluster(t *testing.T) {
	server := startCluster(t)
	api, err := kubernetes.Connect(server.Kubeconfig(agentUser), "")
	if err != nil {
		t.Fatal(err)
	}
	metrics := sdkmetric.NewManualReader()
	x := newFixture(t, pipelinetest.Embedded(t), nil)
	x.cfg.Dir, x.cfg.Kubernetes = "", &kubernetes.Config{API: api, Lease: 6 * time.Second}
	x.cfg.Beat = 500 * time.Millisecond
	x.cfg.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)).Meter("test")
	a := x.start()
	x.complete(snapshotEast)
	web := apiserver.Request{Path: "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web"}

	t.Run("its name is bound to the UID of kube-system", func(t *testing.T) {
		uid := ask(t, server, apiserver.Request{Path: "/api/v1/namespaces/kube-system"}).Metadata.UID
		if got := x.meta(snapshotEast).Owner; got != uid {
			t.Errorf("got the owner %q, want %q", got, uid)
		}
	})

	t.Run("the snapshot has summaries and computed objects, and no secrets", func(t *testing.T) {
		x.has(snapshotEast, "Pod/shop/cart", "example.test/cart")
		ask(t, server, apiserver.Request{
			Method: "PATCH", Path: "/api/v1/namespaces/istio-system/services/istio-eastwestgateway/status", Type: "application/merge-patch+json",
			Body: []byte(`{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.7"}]}}}`),
		})
		const endpoint = "GatewayEndpoint.internal.meshweir.io/istio-system/istio-eastwestgateway"
		x.has(snapshotEast, endpoint, "198.51.100.7")
		var got internalv1.GatewayEndpoint
		x.must(json.Unmarshal([]byte(x.get(snapshotEast, endpoint)), &got))
		if got.Spec.Network != "east-net" || got.Spec.Port != 15443 {
			t.Errorf("got the gateway endpoint %+v, want the network and the port", got.Spec)
		}
		for text := range dump(t, x.client) {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
				t.Errorf("Redis holds a secret: %s", text)
			}
		}
	})

	t.Run("what is applied says by whom, from what and when", func(t *testing.T) {
		x.output(map[string]string{routeKey: strings.Replace(route("a.example.com"), `"name"`, `"annotations":{"`+resource.SourcesAnnotation+`":"east:HTTPRoute.gateway.networking.k8s.io/shop/web"},"name"`, 1)})
		x.result(routeKey, internalv1.ResultApplied)
		object := ask(t, server, web)
		if got, want := object.Metadata.Annotations[resource.OutputAnnotation], x.meta(outputEast).Position.String(); got != want {
			t.Errorf("got the position %q, want %q", got, want)
		}
		if object.Metadata.Annotations[resource.SourcesAnnotation] == "" || object.Metadata.Labels[resource.ManagedByLabel] != resource.ManagedBy ||
			len(object.Metadata.ManagedFields) != 1 || object.Metadata.ManagedFields[0].Manager != "meshweir" || object.Metadata.ManagedFields[0].Operation != "Apply" {
			t.Errorf("got %+v", object.Metadata)
		}
	})

	t.Run("drift is mended and counted", func(t *testing.T) {
		x.has(snapshotEast, routeKey, "a.example.com")
		edit := web
		edit.Method, edit.Type, edit.Body = "PATCH", "application/merge-patch+json", []byte(`{"spec":{"hosts":["hand.example.com"]}}`)
		edit.Path += "?fieldManager=kubectl-edit"
		ask(t, server, edit)
		x.eventually("the route to be mended", func() bool { return slices.Equal(ask(t, server, web).Spec.Hosts, []string{"a.example.com"}) })
		x.eventually("the drift to be counted", func() bool { return counted(t, metrics, "meshweir.agent.drift") == 1 })
		x.eventually("the heartbeat to say so", func() bool { b := x.beat(); return b != nil && b.Drift == 1 })
		x.eventually("the report to say who did what", func() bool {
			d := x.applied(routeKey).Drift
			return d != nil && len(d.By) == 1 && d.By[0].Name == "kubectl-edit" && d.By[0].Operation == "Update" &&
				time.Since(d.By[0].Time) < time.Hour && slices.Equal(d.Fields, []string{"spec.hosts"}) && d.Unnamed == 0
		})
		remove := web
		remove.Method = "DELETE"
		ask(t, server, remove)
		x.eventually("the report to say that nobody tells who deleted it", func() bool {
			d := x.applied(routeKey).Drift
			return d != nil && d.Times == 2 && d.Unnamed == 1 && len(d.By) == 1
		})
	})

	t.Run("a user's object is left alone, and reported", func(t *testing.T) {
		const mineKey = "VirtualService.networking.istio.io/shop/mine"
		mine := strings.Replace(route("a.example.com"), `"web"`, `"mine"`, 1)
		server.Apply("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: mine, namespace: shop}\nspec: {hosts: [mine.example.com]}\n")
		x.output(map[string]string{routeKey: route("a.example.com"), mineKey: mine})
		if got := x.result(mineKey, internalv1.ResultConflict); !strings.Contains(got.Message, "rename or remove") {
			t.Errorf("got %+v, want how to mend it", got)
		}
		got := ask(t, server, apiserver.Request{Path: "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/mine"})
		if !slices.Equal(got.Spec.Hosts, []string{"mine.example.com"}) {
			t.Errorf("got the hosts %v, want the user's", got.Spec.Hosts)
		}
	})

	t.Run("an outage is told for as long as it lasts, also without the lead", func(t *testing.T) {
		server.Kill()
		x.eventually("the heartbeat to say why", func() bool {
			b := x.beat()
			return b != nil && strings.Contains(b.Outage, "cannot be reached") && time.Since(b.OutageSince) < time.Hour
		})
		since := x.beat().OutageSince
		x.eventually("the lead to be lost", func() bool {
			a.vitals.mu.Lock()
			defer a.vitals.mu.Unlock()
			return !a.vitals.working
		})
		x.must(x.client.Del(t.Context(), snapshotEast.BeatKey()).Err())
		x.eventually("the heartbeat of one that stands in", func() bool { return x.beat() != nil })
		if got := x.beat(); !strings.Contains(got.Outage, "cannot be reached") || !got.OutageSince.Equal(since) {
			t.Errorf("got the outage %q since %s, want the same since %s", got.Outage, got.OutageSince, since)
		}
		if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("got %v from Ready, want why", err)
		}
		if x.get(snapshotEast, "Pod/shop/cart") == "" {
			t.Error("what is known of the cluster was taken away")
		}
		server.Start()
		x.eventually("the end of it", func() bool { b := x.beat(); return b != nil && b.Outage == "" && a.Ready(t.Context()) == nil })
		server.Apply("apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {selector: {app: two}, ports: [{port: 80}]}\n")
		x.has(snapshotEast, cart, "two")
	})
	if deletes := server.Deletes().By(agentUser); len(deletes) > 0 {
		t.Errorf("got deletes that nothing explains:\n%s", deletes)
	}
}

// counted returns what a counter counted.
func counted(t *testing.T, reader sdkmetric.Reader, name string) (sum int64) {
	t.Helper()
	for _, point := range pipelinetest.Metric[metricdata.Sum[int64]](t, reader, name).DataPoints {
		sum += point.Value
	}
	return sum
}
