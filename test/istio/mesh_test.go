package istio_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/config"
	meshconfig "istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gvk"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// mesh is one cluster with an istiod of its own.
type mesh struct {
	t       *testing.T
	server  *xds.FakeDiscoveryServer
	configs []config.Config
	objects []runtime.Object
}

// newMesh starts an istiod that knows the Istio objects, Services, Namespaces and the mesh configuration among the objects.
func newMesh(t *testing.T, objects []object) *mesh {
	t.Helper()
	return newMeshAt(t, objects, nil)
}

// newMeshAt is newMesh with an istiod that serves proxies at a listener.
func newMeshAt(t *testing.T, objects []object, listen func() (net.Listener, error)) *mesh {
	t.Helper()
	m := &mesh{t: t}
	settings := meshconfig.DefaultMeshConfig()
	for _, o := range objects {
		h := o.head()
		if text := o.meshConfig(); text != "" {
			var err error
			if settings, err = meshconfig.ApplyMeshConfig(text, settings); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasSuffix(h.group(), ".istio.io") {
			cfg, err := toConfig(o)
			if err != nil {
				t.Fatal(err)
			}
			m.configs = append(m.configs, *cfg)
			continue
		}
		m.addObject(o)
	}
	m.server = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		Configs: m.configs, KubernetesObjects: append(m.objects, m.endpoints()...), MeshConfig: settings, ListenerBuilder: listen,
	})
	return m
}

// meshConfig returns the mesh configuration that the object is; "" of any other.
func (o object) meshConfig() string {
	data, _ := o["data"].(map[string]any)
	text, _ := data["mesh"].(string)
	return text
}

// endpoints makes one endpoint for each Service, which listens at the Service's own ports.
func (m *mesh) endpoints() []runtime.Object {
	var made []runtime.Object
	for _, service := range m.services() {
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: service.Namespace, Name: service.Name, Labels: map[string]string{discoveryv1.LabelServiceName: service.Name},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{m.address(service)}}},
		}
		for _, port := range service.Spec.Ports {
			slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port.Name, Port: &port.Port, Protocol: &port.Protocol})
		}
		made = append(made, slice)
	}
	return made
}

func (m *mesh) services() []*corev1.Service {
	var found []*corev1.Service
	for _, o := range m.objects {
		if service, ok := o.(*corev1.Service); ok {
			found = append(found, service)
		}
	}
	return found
}

// address returns the address of the one Pod behind a Service.
func (m *mesh) address(service *corev1.Service) string {
	return fmt.Sprintf("10.0.0.%d", 1+slices.Index(m.services(), service))
}

// addObject adds an object if it is a Service or a Namespace.
func (m *mesh) addObject(o object) {
	switch h := o.head(); h.APIVersion + " " + h.Kind {
	case "v1 Service":
		service, err := read[corev1.Service](o)
		if err != nil {
			return // an API server refuses it too
		}
		m.addDefaults(service)
		m.objects = append(m.objects, service)
	case "v1 Namespace":
		if namespace, err := read[corev1.Namespace](o); err == nil {
			m.objects = append(m.objects, namespace)
		}
	}
}

// addDefaults fills in what an API server does.
func (m *mesh) addDefaults(service *corev1.Service) {
	spec := &service.Spec
	if spec.ClusterIP == "" && spec.Type != corev1.ServiceTypeExternalName {
		spec.ClusterIP = fmt.Sprintf("10.2.0.%d", 1+len(m.objects))
	}
	for i, port := range spec.Ports {
		spec.Ports[i].Protocol = cmp.Or(port.Protocol, corev1.ProtocolTCP)
		if port.TargetPort == (intstr.IntOrString{}) {
			spec.Ports[i].TargetPort = intstr.FromInt32(port.Port)
		}
	}
}

func read[T any](o object) (*T, error) {
	into := new(T)
	return into, json.Unmarshal(o.json(), into)
}

// proxy is an Envoy, and what istiod gives it.
type proxy struct {
	node *model.Proxy
	*simulation.Simulation
}

// connect returns what istiod gives a proxy.
func (m *mesh) connect(kind model.NodeType, namespace, address string, labels map[string]string) *proxy {
	p := m.server.SetupProxy(&model.Proxy{
		ID: "proxy." + namespace, Type: kind, ConfigNamespace: namespace, IPAddresses: []string{address}, Labels: labels,
		Metadata: &model.NodeMetadata{Namespace: namespace, Labels: labels, IstioVersion: "1.31.0"},
	})
	return &proxy{p, simulation.NewSimulation(m.t, m.server, p)}
}

// gateway returns the proxy that has these labels, in the namespace of the Service in front of it or else in the given one.
func (m *mesh) gateway(namespace string, labels map[string]string) *proxy {
	address := "10.1.0.1"
	if service := m.front(labels); service != nil {
		namespace, address = service.Namespace, m.address(service)
	}
	return m.connect(model.Router, namespace, address, labels)
}

// sidecar returns the proxy of a workload in a namespace.
func (m *mesh) sidecar(namespace string, labels map[string]string) *proxy {
	return m.connect(model.SidecarProxy, namespace, "10.1.0.2", labels)
}

// proxies returns a proxy for each selector of an Istio Gateway, and a sidecar for each namespace with Services.
func (m *mesh) proxies() []*proxy {
	gateways, sidecars := map[string]*proxy{}, map[string]*proxy{}
	for _, cfg := range m.configs {
		if cfg.GroupVersionKind != gvk.Gateway {
			continue
		}
		selector := cfg.Spec.(*networking.Gateway).Selector
		if id := labelText(selector); gateways[id] == nil {
			gateways[id] = m.gateway(cfg.Namespace, selector)
		}
	}
	for _, service := range m.services() {
		if sidecars[service.Namespace] == nil {
			sidecars[service.Namespace] = m.sidecar(service.Namespace, map[string]string{"app": "any"})
		}
	}
	all := slices.Concat(slices.Collect(maps.Values(gateways)), slices.Collect(maps.Values(sidecars)))
	slices.SortFunc(all, func(a, b *proxy) int { return cmp.Compare(a.name(), b.name()) })
	return all
}

// front returns the Service in front of the proxies with these labels, or nil.
func (m *mesh) front(labels map[string]string) *corev1.Service {
	for _, service := range m.services() {
		matches := len(labels) > 0
		for key, value := range labels {
			matches = matches && service.Spec.Selector[key] == value
		}
		if matches {
			return service
		}
	}
	return nil
}

func labelText(labels map[string]string) string {
	text := ""
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		text += "," + key + "=" + labels[key]
	}
	return strings.TrimPrefix(text, ",")
}

func (p *proxy) name() string {
	return string(p.node.Type) + " " + p.node.ConfigNamespace + " " + labelText(p.node.Labels)
}

// clusterNamed returns a cluster, and fails the test when the proxy has none.
func (p *proxy) clusterNamed(t *testing.T, name string) *cluster.Cluster {
	t.Helper()
	found := xdstest.ExtractCluster(name, p.Clusters)
	if found == nil {
		t.Fatalf("%s has no cluster %s; it has %q", p.name(), name, slices.Sorted(maps.Keys(xdstest.ExtractClusters(p.Clusters))))
	}
	return found
}
