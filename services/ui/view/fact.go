package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/schemas/resource"
)

// maxMessage caps the text of a condition or result in a row, in bytes.
const maxMessage = 1 << 10

// Fact is what views need of one value of one source keyspace. Which of its
// fields are set depends on the kind: an object (snapshot, output), a status, a
// result (applied) or a membership (registry).
type Fact struct {
	Managed bool
	File    string
	Created string
	Labels  map[string]string
	Detail  string
	// Spec is kept of what people configure traffic with, to say which field changed.
	Spec     json.RawMessage
	Sources  []Ref
	Manifest *internalv1.ManifestProblemSpec
	Wiring   *Wiring

	Conditions []Condition

	Applied *Applied

	// Member is what the registry says of a cluster.
	Member *internalv1.Membership
}

// Deregistered reports whether the registry says that a cluster is no part of the fleet.
func (f Fact) Deregistered() bool {
	return f.Member != nil && f.Member.State == internalv1.Deregistered
}

// shape is what every value of a source keyspace fits; what differs between kinds stays raw.
type shape struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name              string            `json:"name"`
		CreationTimestamp string            `json:"creationTimestamp"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec   json.RawMessage `json:"spec"`
	Status json.RawMessage `json:"status"`
	Data   json.RawMessage `json:"data"`
	Result json.RawMessage `json:"result"`
	State  string          `json:"state"`
}

// DecodeFact reads a value of any source keyspace: they tell themselves apart.
func DecodeFact(_ string, value []byte) (Fact, error) {
	var s shape
	if err := json.Unmarshal(value, &s); err != nil {
		return Fact{}, fmt.Errorf("decoding a value: %w", err)
	}
	switch {
	case s.APIVersion != "":
		return objectFact(s)
	case s.Result != nil:
		var a internalv1.Applied
		if err := json.Unmarshal(value, &a); err != nil {
			return Fact{}, fmt.Errorf("decoding a result: %w", err)
		}
		return Fact{Applied: &Applied{Result: a.Result, Message: clip(a.Message), Output: a.Output}}, nil
	case s.Status != nil:
		conditions, err := statusConditions(s.Status)
		return Fact{Conditions: conditions}, err
	case s.State != "":
		f := Fact{Member: &internalv1.Membership{}}
		if err := json.Unmarshal(value, f.Member); err != nil {
			return Fact{}, fmt.Errorf("decoding a membership: %w", err)
		}
		return f, nil
	default:
		return Fact{}, fmt.Errorf("decoding a value: it is neither an object nor a status, a result or a membership")
	}
}

func objectFact(s shape) (Fact, error) {
	f := Fact{
		Managed: s.Metadata.Labels[resource.ManagedByLabel] == resource.ManagedBy,
		File:    s.Metadata.Annotations[resource.FileAnnotation],
		Created: s.Metadata.CreationTimestamp,
		Labels:  s.Metadata.Labels,
		Detail:  detail(s.Kind, s.Spec, s.Status),
		Sources: parseSources(s.Metadata.Annotations[resource.SourcesAnnotation]),
		Wiring:  wiring(s.APIVersion, s.Kind, s.Spec),
	}
	switch {
	case s.Kind == "ConfigMap":
		f.Wiring = meshWiring(s.Metadata.Name, s.Data)
	case s.APIVersion == "v1" && s.Kind == "Service" && f.Wiring != nil:
		f.Wiring.ExportTo = istio.AnnotatedExportTo(s.Metadata.Annotations)
	}
	if configures(s.APIVersion, s.Kind) {
		f.Spec = s.Spec
	}
	if s.APIVersion == internalv1.APIVersion && s.Kind == internalv1.KindManifestProblem {
		f.Manifest = &internalv1.ManifestProblemSpec{}
		if err := json.Unmarshal(s.Spec, f.Manifest); err != nil {
			return Fact{}, fmt.Errorf("decoding a manifest problem: %w", err)
		}
		f.Manifest.Message = clip(f.Manifest.Message)
		f.File = f.Manifest.File
	}
	return f, nil
}

// configures reports whether objects of a kind are what people configure traffic with.
func configures(apiVersion, kind string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return group == "gateway.networking.k8s.io" || group == "meshweir.io" || strings.HasSuffix(group, ".istio.io") || apiVersion == "v1" && kind == "Service"
}

func parseSources(annotation string) []Ref {
	var refs []Ref
	for text := range strings.SplitSeq(annotation, ",") {
		var ref Ref
		if ref.UnmarshalText([]byte(text)) == nil {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, Ref.Compare)
	return slices.Compact(refs)
}

type conditionList []Condition

// gatewayStatus is where Gateway API keeps conditions: on the object, on each listener, on each parent.
type gatewayStatus struct {
	Conditions conditionList `json:"conditions"`
	Listeners  []struct {
		Name       string        `json:"name"`
		Conditions conditionList `json:"conditions"`
	} `json:"listeners"`
	Parents []struct {
		ParentRef struct {
			Namespace   string `json:"namespace"`
			Name        string `json:"name"`
			SectionName string `json:"sectionName"`
		} `json:"parentRef"`
		Conditions conditionList `json:"conditions"`
	} `json:"parents"`
}

func statusConditions(raw []byte) ([]Condition, error) {
	var status gatewayStatus
	if err := json.Unmarshal(raw, &status); err != nil {
		return nil, fmt.Errorf("decoding a status: %w", err)
	}
	var all []Condition
	add := func(scope string, conditions conditionList) {
		for _, c := range conditions {
			c.Scope, c.Message = scope, clip(c.Message)
			all = append(all, c)
		}
	}
	add("", status.Conditions)
	for _, l := range status.Listeners {
		add("listener "+l.Name, l.Conditions)
	}
	for _, p := range status.Parents {
		scope := "parent " + p.ParentRef.Name
		if p.ParentRef.Namespace != "" {
			scope = "parent " + p.ParentRef.Namespace + "/" + p.ParentRef.Name
		}
		if p.ParentRef.SectionName != "" {
			scope += "#" + p.ParentRef.SectionName
		}
		add(scope, p.Conditions)
	}
	return all, nil
}

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}
