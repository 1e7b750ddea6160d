package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// mistakes are the deliberate ones, as the checks below word them, by the file
// that makes each. The broken manifest is the sixth.
func mistakes() map[string]string {
	return map[string]string{
		"east: HTTPRoute.gateway.networking.k8s.io/checkout/gift-cards: no Service/checkout/gift-cards":                                                          "east/apps/checkout/routes.yaml",
		"east: Gateway.gateway.networking.k8s.io/marketing/summer-sale: shop.harborgoods.example:80 is claimed by istio-ingress/shop as well":                    "east/apps/marketing/campaign.yaml",
		"east: Gateway.gateway.networking.k8s.io/istio-ingress/accounts: Secret/accounts/accounts-tls is outside of the namespace of the proxies, istio-ingress": "east/routing/accounts-gateway.yaml",
		"west: HTTPRoute.gateway.networking.k8s.io/search/trending: no ReferenceGrant for Service/recommendations/recommendations":                               "west/apps/search/routes.yaml",
		"west: PeerAuthentication.security.istio.io/shipping/shipping: plain text is allowed":                                                                    "west/apps/shipping/policies.yaml",
		"west: HTTPRoute.gateway.networking.k8s.io/notifications/delivery-reports: filter URLRewrite on a backend cannot be expressed":                           "west/apps/notifications/routes.yaml",
	}
}

func TestEveryReferenceHoldsExceptTheDeliberateMistakes(t *testing.T) {
	objects, _ := load(t)
	found := map[string]string{}
	for _, c := range newChecks(objects) {
		for _, o := range c.objects {
			c.check(o)
		}
		maps.Copy(found, c.problems)
	}
	want := mistakes()
	for problem, file := range found {
		if want[problem] != file {
			t.Errorf("%s: %s", file, problem)
		}
	}
	for problem, file := range want {
		if found[problem] != file {
			t.Errorf("%s: the deliberate mistake is gone: %s", file, problem)
		}
	}
}

func TestEveryDeliberateMistakeIsMarkedWhereItStands(t *testing.T) {
	const mark = "# Deliberate mistake: "
	want := append(slices.Collect(maps.Values(mistakes())), brokenFile)
	for file, text := range embedded(t) {
		if got, want := strings.Count(text, mark), count(want, file); got != want {
			t.Errorf("%s: %d comments %q, want %d", file, got, mark, want)
		}
	}
}

func count(list []string, s string) (n int) {
	for _, each := range list {
		if each == s {
			n++
		}
	}
	return n
}

// checks looks for what objects of one cluster refer to.
type checks struct {
	cluster  string
	objects  []object
	byKey    map[resource.Key]object
	all      map[string]*checks // of every cluster, this one included
	problems map[string]string  // to the file of the object
}

func newChecks(objects []object) map[string]*checks {
	all := map[string]*checks{}
	for _, o := range objects {
		c := all[o.cluster]
		if c == nil {
			c = &checks{cluster: o.cluster, byKey: map[resource.Key]object{}, all: all, problems: map[string]string{}}
			all[o.cluster] = c
		}
		c.objects = append(c.objects, o)
		c.byKey[o.key] = o
	}
	return all
}

func (c *checks) problem(o object, format string, args ...any) {
	c.problems[c.cluster+": "+o.key.String()+": "+fmt.Sprintf(format, args...)] = o.file
}

// has reports whether key exists in the cluster, and makes a problem of it when it does not.
func (c *checks) has(o object, key resource.Key) bool {
	_, ok := c.byKey[key]
	if !ok {
		c.problem(o, "no %v", key)
	}
	return ok
}

// selects makes a problem of it when the labels select no Pod of the namespace.
func (c *checks) selects(o object, namespace string, selector map[string]string) {
	if len(selector) > 0 && len(c.pods(namespace, labels.SelectorFromSet(selector))) == 0 {
		c.problem(o, "selects no Pod")
	}
}

// pods returns the Pods of the namespace ("" is any) that the selector selects.
func (c *checks) pods(namespace string, selector labels.Selector) []*core.Pod {
	var pods []*core.Pod
	for _, o := range c.objects {
		pod, ok := o.value.(*core.Pod)
		if ok && (namespace == "" || pod.Namespace == namespace) && selector.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// hasHost makes a problem of it when an Istio host is neither a Service of the cluster nor one of a ServiceEntry.
func (c *checks) hasHost(o object, host string) {
	if !c.serviceEntryHosts()[host] {
		name, rest, _ := strings.Cut(strings.TrimSuffix(host, ".svc.cluster.local"), ".")
		c.has(o, resource.Key{Kind: "Service", Namespace: rest, Name: name})
	}
}

func (c *checks) check(o object) {
	if namespace := o.meta.GetNamespace(); namespace != "" {
		c.has(o, resource.Key{Kind: "Namespace", Name: namespace})
	}
	for _, owner := range o.meta.GetOwnerReferences() {
		c.checkOwner(o, owner)
	}
	switch v := o.value.(type) {
	case *gateway.Gateway:
		c.checkGateway(o, v)
	case *gateway.HTTPRoute:
		c.checkRoute(o, v)
	case *gateway.GRPCRoute:
		c.checkRoute(o, asHTTPRoute(v))
	case *v1alpha1.GlobalService:
		c.checkGlobalService(o, v)
	case *istioObject:
		c.checkIstio(o, v)
	default:
		c.checkWorkload(o)
		c.checkService(o)
	}
}

func (c *checks) checkOwner(o object, owner metav1.OwnerReference) {
	found, ok := c.byKey[resource.Key{Group: "apps", Kind: owner.Kind, Namespace: o.meta.GetNamespace(), Name: owner.Name}]
	if !ok || found.meta.GetUID() != owner.UID || owner.UID == types.UID("") {
		c.problem(o, "no owner %s %s with uid %s", owner.Kind, owner.Name, owner.UID)
	}
}
