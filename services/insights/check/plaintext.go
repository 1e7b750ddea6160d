package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/istio"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// Modes of mutual TLS that take plaintext.
const (
	permissive = "PERMISSIVE"
	disable    = "DISABLE"
)

// plaintext is SEC0109. It looks at one workload, and speaks of what makes it take plaintext. Of the policies in force ([istio.Levels]) the
// most specific with a mode takes effect; without any, PERMISSIVE.
func plaintext(r *fleet.Reader, subject fleet.Ref, _ Settings) Result {
	w := fleet.Get[fleet.Workload](r, subject)
	if w == nil || isGateway(w) {
		return Result{}
	}
	if why := r.Unknown(subject.Cluster, fleet.Namespaces, fleet.PeerAuthentications, fleet.MeshConfigs); why != "" {
		return Result{Doubts: []Doubt{{Target: fleet.Ref{Cluster: subject.Cluster}, Why: why}}}
	}
	namespace := fleet.Get[fleet.Plain](r, subject.Ref(fleet.Namespaces, "", subject.Key.Namespace))
	if !inMesh(namespace, w) {
		return Result{}
	}
	var result Result
	in := policiesFor(r, subject, w)
	if cause := in.cause(); cause.open() {
		result.Found = append(result.Found, cause.finding(subject))
	}
	if own := in.levels[istio.LevelWorkload]; own != nil {
		for _, port := range sortedKeys(own.Spec.PortLevelMTLS) {
			at := cause{ref: in.at[istio.LevelWorkload], mode: own.Spec.PortLevelMTLS[port].Mode, port: port}
			if at.open() {
				result.Found = append(result.Found, at.finding(subject))
			}
		}
	}
	return result
}

// isGateway reports whether a workload is a proxy at the edge, to whose listeners PeerAuthentication does not apply.
func isGateway(w *fleet.Workload) bool {
	t := w.Spec.Template
	if strings.Contains(t.Annotations["inject.istio.io/templates"], "gateway") || t.Labels["gateway.networking.k8s.io/gateway-name"] != "" {
		return true
	}
	switch t.Labels["istio"] {
	case "ingressgateway", "egressgateway", "eastwestgateway":
		return true
	}
	return false
}

// inMesh reports whether a workload's Pods get a sidecar or are in the ambient mesh, as Istio's default webhooks and CNI decide.
func inMesh(namespace *fleet.Plain, w *fleet.Workload) bool {
	t := w.Spec.Template
	if t.Spec.HostNetwork {
		return false
	}
	const mode = "istio.io/dataplane-mode"
	var labels map[string]string
	if namespace != nil {
		labels = namespace.Labels
	}
	switch {
	case t.Labels[mode] == "ambient", labels[mode] == "ambient" && t.Labels[mode] != "none":
		return true
	case labels["istio-injection"] == "disabled":
		return false
	}
	const inject = "sidecar.istio.io/inject"
	if cmp.Or(t.Labels[inject], t.Annotations[inject]) == "false" {
		return false
	}
	// The webhooks choose by labels: the annotation of old can only opt out.
	return labels["istio-injection"] == "enabled" || labels["istio.io/rev"] != "" || t.Labels[inject] == "true" || t.Labels["istio.io/rev"] != ""
}

// policies are those in force for a workload: of the mesh, of its namespace, of its own; nil where there is none.
type policies struct {
	levels [3]*fleet.PeerAuthentication
	at     [3]fleet.Ref
	// root is Istio's root namespace.
	root string
}

func policiesFor(r *fleet.Reader, subject fleet.Ref, w *fleet.Workload) policies {
	in := policies{root: defaultsOf(r, subject.Cluster).root}
	var peers []istio.Peer
	var refs []fleet.Ref
	for _, namespace := range slices.Compact([]string{in.root, subject.Key.Namespace}) {
		for _, ref := range r.Find(fleet.ByNamespace, subject.Cluster, namespace) {
			if p := fleet.Get[fleet.PeerAuthentication](r, ref); p != nil {
				peers, refs = append(peers, istio.Peer{
					Namespace: namespace, Name: ref.Key.Name, Created: p.Created, Selector: p.Spec.Selector.MatchLabels, Mode: p.Spec.MTLS.Mode,
				}), append(refs, ref)
			}
		}
	}
	for level, i := range istio.Levels(in.root, subject.Key.Namespace, w.Spec.Template.Labels, peers) {
		if i >= 0 {
			in.levels[level], in.at[level] = fleet.Get[fleet.PeerAuthentication](r, refs[i]), refs[i]
		}
	}
	return in
}

// cause is what decides the mode of a workload, or of a port; ref has no key where no policy does, and then root is Istio's root namespace.
type cause struct {
	ref        fleet.Ref
	mode, root string
	port       string
}

func (p policies) cause() cause {
	for level, policy := range slices.Backward(p.levels[:]) {
		if policy != nil && istio.SetsMode(policy.Spec.MTLS.Mode) {
			return cause{ref: p.at[level], mode: policy.Spec.MTLS.Mode}
		}
	}
	return cause{mode: permissive, root: p.root}
}

func (c cause) open() bool { return c.mode == permissive || c.mode == disable }

func (c cause) finding(workload fleet.Ref) Finding {
	f := Finding{
		Target: c.ref, CasesSay: "take plaintext by it",
		Case: &insight.Evidence{Says: workload.Text() + " takes plaintext", Source: workload.Insight()},
	}
	if c.ref.Key.Kind == "" {
		f.Target = fleet.Ref{Cluster: workload.Cluster}
		f.Summary = "workloads of " + workload.Cluster + " accept plaintext: no PeerAuthentication says otherwise, and Istio's default is PERMISSIVE"
		f.Evidence = []insight.Evidence{{Says: "no PeerAuthentication sets a mode for them: none in the root namespace, none in theirs", Source: f.Target.Insight()}}
		f.Remedy = []insight.Step{
			{Do: "Let one namespace after the other ask for mutual TLS, once all its clients are in the mesh.", Commands: []string{strict(workload.Cluster, "NAMESPACE")}},
			{Do: "Then the whole mesh, in Istio's root namespace.", Commands: []string{strict(workload.Cluster, c.root)}},
		}
		return f
	}
	field, what := "spec.mtls.mode", ""
	if c.port != "" {
		field, what, f.Detail = "spec.portLevelMtls["+c.port+"].mode", "port "+c.port+" of ", "port-"+c.port
	}
	f.Summary = fmt.Sprintf("%s makes %sworkloads accept plaintext: its mode is %s", c.ref.Text(), what, c.mode)
	f.Evidence = []insight.Evidence{{Says: "the policy that takes effect", Source: c.ref.Insight(), Field: field, Value: c.mode}}
	f.Remedy = []insight.Step{{
		Do: "See that every client of these workloads is in the mesh, and let the policy say STRICT.", Commands: []string{edit(c.ref)},
	}}
	if c.mode == disable {
		f.Remedy[0].Do = "DISABLE takes no mutual TLS at all: go over PERMISSIVE to STRICT, once every client is in the mesh."
	}
	return f
}

// strict is a command line that makes a namespace ask for mutual TLS.
func strict(cluster, namespace string) string {
	return fmt.Sprintf(`echo '{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"default","namespace":%q},"spec":{"mtls":{"mode":"STRICT"}}}' | kubectl --context %s apply -f -`, namespace, cluster)
}
