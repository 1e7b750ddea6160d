package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1"
	security "istio.io/api/security/v1"
	telemetry "istio.io/api/telemetry/v1"
	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	gatewaybeta "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// brokenFile is the one manifest that is no YAML, on purpose.
const brokenFile = "west/apps/recommendations/broken.yaml"

// object is one document of a manifest, decoded.
type object struct {
	cluster, file string
	key           resource.Key
	meta          metav1.Object
	value         any // a pointer to the kind's Go type; for kinds of Istio, to an istioObject
}

// istioObject is a resource of Istio: Kubernetes around a protobuf message.
type istioObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              json.RawMessage `json:"spec"`

	message proto.Message
}

func TestOnlyTheBrokenManifestDoesNotParse(t *testing.T) {
	_, problems := load(t)
	for file, err := range problems {
		if file != brokenFile {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, ok := problems[brokenFile]; !ok {
		t.Errorf("%s parses, want a YAML error in it", brokenFile)
	}
}

func TestEveryClusterHasTheKindsThatMakeASnapshot(t *testing.T) {
	objects, _ := load(t)
	kinds := map[string]map[string]bool{}
	for _, o := range objects {
		if kinds[o.cluster] == nil {
			kinds[o.cluster] = map[string]bool{}
		}
		kinds[o.cluster][o.key.Kind] = true
	}
	for _, cluster := range Clusters() {
		for _, kind := range []string{
			"Namespace", "Node", "Deployment", "ReplicaSet", "Pod", "Service", "EndpointSlice", "PodDisruptionBudget",
			"ConfigMap", "Secret", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
			"GatewayClass", "Gateway", "HTTPRoute", "PeerAuthentication", "ServiceEntry",
		} {
			if !kinds[cluster][kind] {
				t.Errorf("cluster %s has no %s", cluster, kind)
			}
		}
	}
}

func TestTheShopHasItsTwelveServices(t *testing.T) {
	objects, _ := load(t)
	runs := map[string][]string{}
	for _, o := range objects {
		if _, ok := o.value.(*core.Service); ok && o.key.Name == o.key.Namespace {
			runs[o.key.Name] = append(runs[o.key.Name], o.cluster)
		}
	}
	want := []string{
		"accounts", "cart", "catalog", "checkout", "inventory", "notifications",
		"payments", "recommendations", "reviews", "search", "shipping", "storefront",
	}
	if got := slices.Sorted(maps.Keys(runs)); !slices.Equal(got, want) {
		t.Errorf("services are %v, want %v", got, want)
	}
	for _, name := range []string{"catalog", "reviews", "storefront"} {
		if got := runs[name]; !slices.Equal(got, []string{"east", "west"}) {
			t.Errorf("%s runs in %v, want east and west", name, got)
		}
	}
}

func TestEveryObjectIsDefinedOnce(t *testing.T) {
	objects, _ := load(t)
	seen := map[string]string{}
	for _, o := range objects {
		id := o.cluster + ":" + o.key.String()
		if first, ok := seen[id]; ok {
			t.Errorf("%s is in %s and in %s", id, first, o.file)
		}
		seen[id] = o.file
	}
}

// load decodes every manifest strictly. Problems are by file; a file with a problem gives no objects.
func load(t *testing.T) (objects []object, problems map[string]error) {
	t.Helper()
	problems = map[string]error{}
	files := embedded(t)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(file) != ".yaml" {
			t.Errorf("%s is embedded, and is no manifest", file)
			continue
		}
		found, err := decodeFile(file, files[file])
		if err != nil {
			problems[file] = err
			continue
		}
		objects = append(objects, found...)
	}
	return objects, problems
}

func decodeFile(file, text string) ([]object, error) {
	cluster, _, _ := strings.Cut(file, "/")
	reader := yamlreader.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	var objects []object
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		value, meta, kind, err := decode(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		key := resource.Key{Group: kind.GroupVersionKind().Group, Kind: kind.Kind, Namespace: meta.GetNamespace(), Name: meta.GetName()}
		if key.Name == "" {
			return nil, fmt.Errorf("document %d: %s without a name", n, kind.Kind)
		}
		objects = append(objects, object{cluster: cluster, file: file, key: key, meta: meta, value: value})
	}
}

func decode(document []byte) (value any, meta metav1.Object, kind metav1.TypeMeta, err error) {
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return nil, nil, kind, err
	}
	if message := newIstioSpec(kind); message != nil {
		o := &istioObject{message: message}
		if err := yaml.UnmarshalStrict(document, o); err != nil {
			return nil, nil, kind, err
		}
		return o, o, kind, protojson.Unmarshal(o.Spec, message)
	}
	o := newTyped(kind)
	if o == nil {
		return nil, nil, kind, fmt.Errorf("%s %s: no type for it in this test", kind.APIVersion, kind.Kind)
	}
	return o, o, kind, yaml.UnmarshalStrict(document, o)
}

func decodeProto(text []byte, message proto.Message) error {
	asJSON, err := yaml.YAMLToJSONStrict(bytes.TrimSpace(text))
	if err != nil {
		return err
	}
	return protojson.Unmarshal(asJSON, message)
}

func newIstioSpec(kind metav1.TypeMeta) proto.Message {
	switch kind.APIVersion + " " + kind.Kind {
	case "networking.istio.io/v1 DestinationRule":
		return new(networking.DestinationRule)
	case "networking.istio.io/v1 Gateway":
		return new(networking.Gateway)
	case "networking.istio.io/v1 ServiceEntry":
		return new(networking.ServiceEntry)
	case "networking.istio.io/v1 Sidecar":
		return new(networking.Sidecar)
	case "networking.istio.io/v1 VirtualService":
		return new(networking.VirtualService)
	case "security.istio.io/v1 AuthorizationPolicy":
		return new(security.AuthorizationPolicy)
	case "security.istio.io/v1 PeerAuthentication":
		return new(security.PeerAuthentication)
	case "security.istio.io/v1 RequestAuthentication":
		return new(security.RequestAuthentication)
	case "telemetry.istio.io/v1 Telemetry":
		return new(telemetry.Telemetry)
	}
	return nil
}

func newTyped(kind metav1.TypeMeta) metav1.Object {
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 ConfigMap":
		return new(core.ConfigMap)
	case "v1 Namespace":
		return new(core.Namespace)
	case "v1 Node":
		return new(core.Node)
	case "v1 Pod":
		return new(core.Pod)
	case "v1 Secret":
		return new(core.Secret)
	case "v1 Service":
		return new(core.Service)
	case "apps/v1 DaemonSet":
		return new(apps.DaemonSet)
	case "apps/v1 Deployment":
		return new(apps.Deployment)
	case "apps/v1 ReplicaSet":
		return new(apps.ReplicaSet)
	case "apps/v1 StatefulSet":
		return new(apps.StatefulSet)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return new(autoscaling.HorizontalPodAutoscaler)
	case "policy/v1 PodDisruptionBudget":
		return new(policy.PodDisruptionBudget)
	case "discovery.k8s.io/v1 EndpointSlice":
		return new(discovery.EndpointSlice)
	case "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration":
		return new(admission.MutatingWebhookConfiguration)
	case "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration":
		return new(admission.ValidatingWebhookConfiguration)
	case "gateway.networking.k8s.io/v1 Gateway":
		return new(gateway.Gateway)
	case "gateway.networking.k8s.io/v1 GatewayClass":
		return new(gateway.GatewayClass)
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		return new(gateway.HTTPRoute)
	case "gateway.networking.k8s.io/v1 GRPCRoute":
		return new(gateway.GRPCRoute)
	case "gateway.networking.k8s.io/v1beta1 ReferenceGrant":
		return new(gatewaybeta.ReferenceGrant)
	case v1alpha1.APIVersion + " " + v1alpha1.KindGlobalService:
		return new(v1alpha1.GlobalService)
	}
	return nil
}
