package deploy

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// end is one end of a connection: a Pod of ours by its name, or somebody else.
type end struct {
	pod       string // "" is somebody else
	namespace string // of somebody else; "" is outside of the cluster
}

// port is where a connection goes.
type port struct {
	protocol corev1.Protocol
	number   int32
}

func tcp(number int32) port { return port{corev1.ProtocolTCP, number} }

// allowed says whether the policies let a connection through, as the documentation of NetworkPolicy has it: a Pod that a
// policy selects for a direction may what any of its policies allows, and a Pod that none selects may all.
func allowed(t *testing.T, b built, from, to end, at port) bool {
	t.Helper()
	return passes(t, b, networkingv1.PolicyTypeEgress, from, to, to, at) && passes(t, b, networkingv1.PolicyTypeIngress, to, from, to, at)
}

// passes asks the policies of one end, self, in one direction. The port is one of the end to.
func passes(t *testing.T, b built, direction networkingv1.PolicyType, self, other, to end, at port) bool {
	t.Helper()
	if self.pod == "" {
		return true
	}
	isolated := false
	for _, p := range b.policies {
		if !slices.Contains(p.Spec.PolicyTypes, direction) || !matches(t, b, &p.Spec.PodSelector, self) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range p.Spec.Egress {
				if anyPeer(t, b, rule.To, other) && anyPort(b, rule.Ports, to, at) {
					return true
				}
			}
			continue
		}
		for _, rule := range p.Spec.Ingress {
			if anyPeer(t, b, rule.From, other) && anyPort(b, rule.Ports, to, at) {
				return true
			}
		}
	}
	return !isolated
}

func matches(t *testing.T, b built, s *metav1.LabelSelector, e end) bool {
	t.Helper()
	return slices.ContainsFunc(b.workloads, func(w workload) bool {
		return w.name == e.pod && selector(t, s).Matches(labels.Set(w.template.Labels))
	})
}

func anyPeer(t *testing.T, b built, peers []networkingv1.NetworkPolicyPeer, e end) bool {
	t.Helper()
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.NamespaceSelector != nil {
			return e.namespace != "" && selector(t, p.NamespaceSelector).Matches(labels.Set{"kubernetes.io/metadata.name": e.namespace})
		}
		return p.PodSelector != nil && matches(t, b, p.PodSelector, e)
	})
}

func anyPort(b built, ports []networkingv1.NetworkPolicyPort, to end, at port) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		if p.Protocol == nil || *p.Protocol != at.protocol {
			return false
		}
		number := p.Port.IntVal
		if name := p.Port.StrVal; name != "" {
			if to.pod == "" {
				return false
			}
			number = portOf(b, labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": to.pod}), name)
		}
		return number == at.number || p.EndPort != nil && number <= at.number && at.number <= *p.EndPort
	})
}

func TestPoliciesLetThroughWhatIsNeededAndNothingElse(t *testing.T) {
	pod := func(name string) end { return end{pod: "meshweir-" + name} }
	outside, monitoring, others, dns := end{}, end{namespace: "monitoring"}, end{namespace: "shop"}, end{namespace: "kube-system"}
	type flow struct {
		from, to end
		at       port
		want     bool
	}
	names := func(of ...string) (flows []flow) {
		for _, name := range of {
			flows = append(flows, flow{pod(name), dns, port{corev1.ProtocolUDP, 53}, true}, flow{pod(name), dns, port{corev1.ProtocolUDP, 123}, false})
		}
		return flows
	}
	everywhere := append(names("translator", "insights", "ui"), []flow{
		{pod("translator"), pod("redis"), tcp(6379), true},
		{pod("insights"), pod("redis"), tcp(6379), true},
		{pod("ui"), pod("redis"), tcp(6379), true},
		{pod("translator"), pod("ui"), tcp(8081), false},
		{pod("ui"), pod("translator"), tcp(8081), false},
		{pod("translator"), outside, tcp(443), false},
		{pod("ui"), outside, tcp(443), false},
		{pod("redis"), outside, tcp(443), false},
		{pod("redis"), pod("ui"), tcp(8081), false},
		{others, pod("redis"), tcp(6379), false},
		{others, pod("ui"), tcp(8080), false},
		{monitoring, pod("ui"), tcp(8081), false},
	}...)
	for _, tt := range []struct {
		name  string
		built built
		flows []flow
	}{
		{"overlays/single", build(t, "overlays/single"), slices.Concat(everywhere, names("agent"), []flow{
			{pod("agent"), pod("redis"), tcp(6379), true},
			{pod("agent"), outside, tcp(6443), true},
			{pod("agent"), outside, tcp(443), true},
			{pod("agent"), outside, tcp(25), false},
			{pod("agent"), pod("ui"), tcp(8081), false},
			{outside, pod("redis"), tcp(6379), false},
			{others, pod("agent"), tcp(8081), false},
		})},
		{"overlays/management", build(t, "overlays/management"), slices.Concat(everywhere, []flow{
			{outside, pod("redis"), tcp(6380), true},
			{outside, pod("redis"), tcp(6379), false},
		})},
		{"overlays/workload", build(t, "overlays/workload"), append(names("agent"), []flow{
			{pod("agent"), outside, tcp(443), true},
			{pod("agent"), outside, tcp(7000), true}, // whatever port Redis has
			{others, pod("agent"), tcp(8081), false},
		}...)},
		{"overlays/single with external-redis", with(t, "overlays/single", "external-redis"), []flow{
			{pod("translator"), outside, tcp(6380), true},
			{pod("agent"), outside, tcp(6380), true},
			{pod("agent"), outside, tcp(6443), true},
			{pod("ui"), outside, tcp(443), false},
		}},
		{"overlays/single with prometheus", with(t, "overlays/single", "prometheus"), []flow{
			{monitoring, pod("ui"), tcp(8081), true},
			{monitoring, pod("agent"), tcp(8081), true},
			{monitoring, pod("redis"), tcp(6379), false},
			{others, pod("ui"), tcp(8081), false},
		}},
	} {
		for _, f := range tt.flows {
			if got := allowed(t, tt.built, f.from, f.to, f.at); got != f.want {
				t.Errorf("%s: %+v to %+v at %v: allowed is %t, want %t", tt.name, f.from, f.to, f.at, got, f.want)
			}
		}
	}
}
