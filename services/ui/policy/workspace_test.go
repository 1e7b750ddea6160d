package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/policy"
	"github.com/meshweir/meshweir/services/ui/view"
	"github.com/meshweir/meshweir/services/ui/view/viewtest"
)

// fleet is rows by cluster.
type fleet map[string]map[resource.Key]*view.Row

// add adds manifests to a cluster, all with the same conditions.
func (f fleet) add(t *testing.T, cluster, manifests string, conditions ...view.Condition) {
	t.Helper()
	if f[cluster] == nil {
		f[cluster] = map[resource.Key]*view.Row{}
	}
	for text := range strings.Lines(manifests) {
		key, row, err := viewtest.Row(text, conditions...)
		if err != nil {
			t.Fatal(err)
		}
		f[cluster][key] = row
	}
}

func (f fleet) index() *mesh.Index {
	return mesh.New(func(yield func(mesh.Cluster) bool) {
		for name, rows := range f {
			c := mesh.Cluster{Name: name, Seen: true, Rows: func(yield func(resource.Key, *view.Row) bool) {
				for k, row := range rows {
					if !yield(k, row) {
						return
					}
				}
			}}
			if !yield(c) {
				return
			}
		}
	})
}

// newFleet has the namespaces near and far, and in near routes to far by each way that there is.
func newFleet(t *testing.T) fleet {
	f := fleet{}
	f.add(t, "east", `{apiVersion: v1, kind: Namespace, metadata: {name: near}}
{apiVersion: v1, kind: Namespace, metadata: {name: far}}
{apiVersion: v1, kind: Namespace, metadata: {name: z}}
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: far}, spec: {selector: {app: s}}}
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: far}, spec: {hosts: [e.example]}}
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: ours, namespace: far}, spec: {gatewayClassName: meshweir}}
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: istios, namespace: far}, spec: {gatewayClassName: istio}}
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: ours, namespace: near}, spec: {parentRefs: [{name: ours, namespace: far}, {name: istios, namespace: far}], rules: [{backendRefs: [{name: s, namespace: far}, {kind: Hostname, group: networking.istio.io, name: e.example}]}]}}
{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: ours, namespace: near}, spec: {parentRefs: [{name: ours, namespace: far}], rules: [{backendRefs: [{name: all, namespace: far, kind: GlobalService, group: meshweir.io}]}]}}
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: istios, namespace: near}, spec: {parentRefs: [{name: istios, namespace: far}], rules: [{backendRefs: [{name: s, namespace: far}]}]}}
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: hand, namespace: near}, spec: {hosts: [h.example], http: [{route: [{destination: {host: s.far.svc.cluster.local}}]}]}}`)
	f.add(t, "mgmt", `{apiVersion: meshweir.io/v1alpha1, kind: GlobalService, metadata: {name: all, namespace: far}, spec: {host: all.global, services: [{name: s}]}}`)
	return f
}

func TestWorkspacesAreAskedAsTheTranslatorAsksThem(t *testing.T) {
	const both = `{apiVersion: meshweir.io/v1alpha1, kind: Workspace, metadata: {name: b, creationTimestamp: "2026-01-02T00:00:00Z"}, spec: {members: [{namespaces: [near, far]}]}}`
	const first = `{apiVersion: meshweir.io/v1alpha1, kind: Workspace, metadata: {name: a, creationTimestamp: "2026-01-01T00:00:00Z"}, spec: {members: [{namespaces: [near]}]%s}}`
	const ageless = `{apiVersion: meshweir.io/v1alpha1, kind: Workspace, metadata: {name: c}, spec: {members: [{namespaces: [near]}]}}`
	says := func(kind, status string) view.Condition {
		return view.Condition{Type: kind, Status: status, Reason: "R"}
	}
	accepted := says("Accepted", "True")
	opened := strings.Replace(first, "%s", `, imports: [{workspace: b}]`, 1)
	closed := strings.Replace(first, "%s", "", 1)
	exporting := strings.Replace(both, "]}]}", `]}], exports: [{workspace: a, kinds: [Service]}]}`, 1)
	tests := []struct {
		name    string
		in      func(f fleet)
		of      [2]string // the workspaces of near and far
		members map[string][]string
		passes  bool // from near to the Service in far
	}{
		{"none", func(fleet) {}, [2]string{"", ""}, nil, true},
		{"one", func(f fleet) { f.add(t, "mgmt", both, accepted) }, [2]string{"b", "b"}, map[string][]string{"b": {"east/far", "east/near"}}, true},
		{
			"a younger one has what the older leaves it", func(f fleet) {
				f.add(t, "mgmt", closed, accepted)
				f.add(t, "mgmt", both, accepted, says("Conflicted", "True"))
			},
			[2]string{"a", "b"},
			map[string][]string{"a": {"east/near"}, "b": {"east/far"}},
			false,
		},
		{
			"what a cluster does not take leaves them in force", func(f fleet) {
				f.add(t, "mgmt", opened, accepted, says("NotApplied", "True"))
				f.add(t, "mgmt", exporting, accepted, says("NotApplied", "True"), says("Conflicted", "True"))
			},
			[2]string{"a", "b"},
			map[string][]string{"a": {"east/near"}, "b": {"east/far"}},
			true,
		},
		{
			"one that is not accepted is not asked", func(f fleet) {
				f.add(t, "mgmt", both, accepted)
				f.add(t, "mgmt", closed, says("Accepted", "False"))
			},
			[2]string{"b", "b"},
			map[string][]string{"a": nil, "b": {"east/far", "east/near"}},
			true,
		},
		{
			"of two of one name the one that is not accepted has nothing", func(f fleet) {
				f.add(t, "mgmt", both, accepted)
				f.add(t, "east", both, says("Accepted", "False"))
			},
			[2]string{"b", "b"},
			map[string][]string{"b": {"east/far", "east/near"}},
			true,
		},
		{
			"one whose age nobody knows is the oldest", func(f fleet) {
				f.add(t, "mgmt", both, accepted)
				f.add(t, "mgmt", ageless, accepted)
			},
			[2]string{"c", "b"},
			map[string][]string{"b": {"east/far"}, "c": {"east/near"}},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t)
			tt.in(f)
			ix := f.index()
			near, _ := ix.WorkspaceOf("east", "near")
			far, _ := ix.WorkspaceOf("east", "far")
			if got := [2]string{near, far}; got != tt.of {
				t.Errorf("near and far are in %q, want %q", got, tt.of)
			}
			for o := range ix.Objects() {
				if o.Key.Kind != "Workspace" {
					continue
				}
				want := tt.members[o.Key.Name]
				if !o.InForce() {
					want = nil
				}
				if diff := cmp.Diff(want, ix.Members(o)); diff != "" {
					t.Errorf("members of %s (-want +got):\n%s", o.Ref, diff)
				}
			}
			object := func(key string) *mesh.Object { return ix.Object(view.Ref{Cluster: "east", Key: key}) }
			from := object("HTTPRoute.gateway.networking.k8s.io/near/ours")
			if v := ix.Judge(from, object("Service/far/s")); v.Passes != tt.passes {
				t.Errorf("the way from near to far is open: %t (%s), want %t", v.Passes, v.Says, tt.passes)
			}
		})
	}
}

func TestWorkspacesAreShownWhereTheTranslatorAsksThem(t *testing.T) {
	f := newFleet(t)
	f.add(t, "mgmt", `{apiVersion: meshweir.io/v1alpha1, kind: Workspace, metadata: {name: a}, spec: {members: [{namespaces: [near]}]}}`)
	ix := f.index()
	for key, want := range map[string][]string{
		"HTTPRoute.gateway.networking.k8s.io/near/ours":   {"Gateway far/ours", "Backend Service far/s"},
		"GRPCRoute.gateway.networking.k8s.io/near/ours":   {"Gateway far/ours", "Backend GlobalService far/all"},
		"HTTPRoute.gateway.networking.k8s.io/near/istios": nil,
		"VirtualService.networking.istio.io/near/hand":    nil,
	} {
		var got []string
		for _, hop := range policy.Route(ix, ix.Object(view.Ref{Cluster: "east", Key: key})) {
			if slices.ContainsFunc(hop.Stages, func(s policy.Stage) bool { return s.Title == "Workspaces" }) {
				got = append(got, hop.Title)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s asks Workspaces at (-want +got):\n%s", key, diff)
		}
	}
}
