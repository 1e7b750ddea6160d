package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Kinds that the inventory indexes and that its readers name, "Kind.group".
const (
	kindGatewayClass    = "GatewayClass." + resource.GatewayGroup
	kindGateway         = "Gateway." + resource.GatewayGroup
	kindHTTPRoute       = "HTTPRoute." + resource.GatewayGroup
	kindGRPCRoute       = "GRPCRoute." + resource.GatewayGroup
	kindReferenceGrant  = "ReferenceGrant." + resource.GatewayGroup
	kindGlobalService   = v1alpha1.KindGlobalService + "." + resource.Group
	kindWorkspace       = v1alpha1.KindWorkspace + "." + resource.Group
	kindCertificate     = internalv1.KindCertificate + "." + resource.InternalGroup
	kindGatewayEndpoint = internalv1.KindGatewayEndpoint + "." + resource.InternalGroup
	kindMesh            = internalv1.KindMesh + "." + resource.InternalGroup
	kindUnapplied       = internalv1.KindUnapplied + "." + resource.InternalGroup
	kindService         = "Service"
	kindNamespace       = "Namespace"
	kindConfigMap       = "ConfigMap"
)

// ErrObject says that an object cannot be read as what its kind says it is.
var ErrObject = errors.New("object cannot be read")

// Object is one decoded object of a snapshot. One of a kind that the translator does not read has a key only.
type Object struct {
	// Key names the object within its cluster.
	Key resource.Key
	// Problem says why the object cannot be read; empty when it can.
	Problem string
	// value is a pointer to the typed object, or a [Managed].
	value any
}

// Ignored reports whether the object is of a kind that the translator does not read.
func (o Object) Ignored() bool { return o.value == nil }

func (o Object) equal(other Object) bool {
	return o.Key == other.Key && o.Problem == other.Problem && reflect.DeepEqual(o.value, other.value)
}

// Managed is an Istio object in a cluster that Meshweir has written.
type Managed struct {
	// Sources are the objects that it was made from, "cluster:key".
	Sources []string
	// Clusters are the clusters that it was made from.
	Clusters []string
	// Object is the object without what the server or the agent added to it.
	Object map[string]any
}

// Decode reads one value of a snapshot. It is quick for kinds that the
// translator does not read. The Object is good to use even when there is an
// error: it stands for an object that exists and says nothing, so that the
// translator can report the problem on it. Status and metadata that the
// translator does not read are dropped, so that they make no difference.
func Decode(key string, value []byte) (Object, error) {
	k, err := resource.ParseKey(key)
	if err != nil {
		return Object{}, err
	}
	target := newTarget(k)
	if target == nil {
		if !strings.HasSuffix(k.Group, ".istio.io") || !bytes.Contains(value, []byte(resource.SourceClustersAnnotation)) {
			return Object{Key: k}, nil
		}
		return decodeManaged(k, value)
	}
	object := Object{Key: k, value: target}
	if err := json.Unmarshal(value, target); err != nil {
		object.Problem = problemText(err)
		object.value = salvage(k, value)
		trim(k, object.value)
		return object, fmt.Errorf("decoding %s: %w: %w", key, ErrObject, err)
	}
	trim(k, target)
	return object, nil
}

// newTarget returns what objects of the key's kind are decoded into, or nil.
func newTarget(k resource.Key) any {
	switch kindOf(k) {
	case kindGatewayClass:
		return &gatewayv1.GatewayClass{}
	case kindGateway:
		return &gatewayv1.Gateway{}
	case kindHTTPRoute:
		return &gatewayv1.HTTPRoute{}
	case kindGRPCRoute:
		return &gatewayv1.GRPCRoute{}
	case kindReferenceGrant:
		return &gatewayv1.ReferenceGrant{}
	case kindGlobalService:
		return &v1alpha1.GlobalService{}
	case kindWorkspace:
		return &v1alpha1.Workspace{}
	case kindCertificate:
		return &internalv1.Certificate{}
	case kindGatewayEndpoint:
		return &internalv1.GatewayEndpoint{}
	case kindMesh:
		return &internalv1.Mesh{}
	case kindUnapplied:
		return &internalv1.Unapplied{}
	case kindService:
		return &corev1.Service{}
	case kindNamespace:
		return &corev1.Namespace{}
	case kindConfigMap:
		return &corev1.ConfigMap{}
	}
	return nil
}

func kindOf(k resource.Key) string {
	if k.Group == "" {
		return k.Kind
	}
	return k.Kind + "." + k.Group
}

// salvage reads what is needed to report a problem on an object that does not decode: whom it belongs to.
func salvage(k resource.Key, value []byte) any {
	target := newTarget(k)
	var some struct {
		Metadata struct {
			Generation int64 `json:"generation"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(value, &some) // what does not decode stays zero
	switch t := target.(type) {
	case *gatewayv1.HTTPRoute:
		t.Generation, t.Spec.ParentRefs = some.Metadata.Generation, salvageParents(value)
	case *gatewayv1.GRPCRoute:
		t.Generation, t.Spec.ParentRefs = some.Metadata.Generation, salvageParents(value)
	case *gatewayv1.Gateway:
		var gateway struct {
			Spec struct {
				GatewayClassName gatewayv1.ObjectName `json:"gatewayClassName"`
			} `json:"spec"`
		}
		_ = json.Unmarshal(value, &gateway)
		t.Generation, t.Spec.GatewayClassName = some.Metadata.Generation, gateway.Spec.GatewayClassName
	case *v1alpha1.GlobalService:
		t.Generation = some.Metadata.Generation
	case *v1alpha1.Workspace:
		t.Generation = some.Metadata.Generation
	}
	return target
}

func salvageParents(value []byte) []gatewayv1.ParentReference {
	var route struct {
		Spec struct {
			ParentRefs []gatewayv1.ParentReference `json:"parentRefs"`
		} `json:"spec"`
	}
	_ = json.Unmarshal(value, &route)
	return route.Spec.ParentRefs
}

func problemText(err error) string {
	var field *json.UnmarshalTypeError
	if errors.As(err, &field) && field.Field != "" {
		return fmt.Sprintf("%s: a JSON %s does not belong there", field.Field, field.Value)
	}
	return err.Error()
}

// trim leaves of an object what the translator reads.
func trim(k resource.Key, object any) {
	object.(metav1.Object).SetName(k.Name)
	object.(metav1.Object).SetNamespace(k.Namespace)
	switch o := object.(type) {
	case *gatewayv1.GatewayClass:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), gatewayv1.GatewayClassStatus{}
	case *gatewayv1.Gateway:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), gatewayv1.GatewayStatus{}
	case *gatewayv1.HTTPRoute:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), gatewayv1.HTTPRouteStatus{}
	case *gatewayv1.GRPCRoute:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), gatewayv1.GRPCRouteStatus{}
	case *gatewayv1.ReferenceGrant:
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
	case *v1alpha1.GlobalService:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), v1alpha1.GlobalServiceStatus{}
	case *v1alpha1.Workspace:
		o.TypeMeta, o.ObjectMeta, o.Status = metav1.TypeMeta{}, meta(o.ObjectMeta), v1alpha1.WorkspaceStatus{}
	case *internalv1.Certificate:
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
	case *internalv1.Mesh:
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
	case *internalv1.GatewayEndpoint:
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
	case *internalv1.Unapplied:
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
	case *corev1.Service:
		labels := o.Labels
		o.TypeMeta, o.ObjectMeta = metav1.TypeMeta{}, meta(o.ObjectMeta)
		o.Labels, o.Generation, o.Status.Conditions = labels, 0, nil
	case *corev1.Namespace:
		o.TypeMeta, o.Spec, o.Status = metav1.TypeMeta{}, corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
		o.ObjectMeta = metav1.ObjectMeta{Name: o.Name, Labels: o.Labels}
	case *corev1.ConfigMap:
		o.TypeMeta, o.ObjectMeta, o.BinaryData = metav1.TypeMeta{}, metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name}, nil
	}
}

func meta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, Generation: m.Generation, CreationTimestamp: m.CreationTimestamp}
}

func decodeManaged(k resource.Key, value []byte) (Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber() // numbers stay as they are written
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return Object{Key: k}, fmt.Errorf("decoding %s: %w: %w", k, ErrObject, err)
	}
	meta, _ := object["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	if labels[resource.ManagedByLabel] != resource.ManagedBy {
		return Object{Key: k}, nil
	}
	managed := &Managed{
		Sources:  list(annotations[resource.SourcesAnnotation]),
		Clusters: list(annotations[resource.SourceClustersAnnotation]),
		Object:   map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"]},
	}
	kept := map[string]any{}
	for _, field := range []string{"name", "namespace", "labels", "annotations"} {
		if v, ok := meta[field]; ok {
			kept[field] = v
		}
	}
	delete(annotations, resource.OutputAnnotation)
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	managed.Object["metadata"] = kept
	if spec, ok := object["spec"]; ok {
		managed.Object["spec"] = spec
	}
	return Object{Key: k, value: managed}, nil
}

func list(annotation any) []string {
	text, _ := annotation.(string)
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	slices.Sort(parts)
	return slices.Compact(parts)
}
