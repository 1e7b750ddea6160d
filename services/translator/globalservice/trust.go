package globalservice

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/output"
)

// unreachable returns the providers that other clusters call and that have no east-west gateway with an address.
func (t *Translator) unreachable(r *graph.Reader, p plan, name Name) []string {
	var found []string
	for _, provider := range p.Providers {
		if len(t.callers(r, name, provider.Cluster)) > 0 && len(t.remoteEndpoints(r, p, provider)) == 0 {
			found = append(found, provider.Cluster)
		}
	}
	return found
}

// pair is a client of a GlobalService and a cluster that serves it.
type pair struct{ client, provider string }

func (p pair) String() string { return p.client + " and " + p.provider }

// crossings returns the pairs of clusters that should reach one another. Where
// each calls the other, the pair is told once.
func (t *Translator) crossings(r *graph.Reader, p plan, name Name) []pair {
	var pairs []pair
	for _, client := range t.clients.Get(r, name) {
		for _, provider := range p.Providers {
			told := client > provider.Cluster && slices.ContainsFunc(p.Providers, providerOf(client))
			if client != provider.Cluster && !told {
				pairs = append(pairs, pair{client, provider.Cluster})
			}
		}
	}
	return pairs
}

func providerOf(cluster string) func(provider) bool {
	return func(p provider) bool { return p.Cluster == cluster }
}

// trust returns the condition TrustMismatch, and nothing where all clusters that should reach one another have a root certificate in common.
func (t *Translator) trust(r *graph.Reader, p plan, name Name, generation int64) []metav1.Condition {
	var differ []string
	unknown := map[string]bool{}
	for _, crossing := range t.crossings(r, p, name) {
		client, provider := t.inv.TrustRoots(r, crossing.client), t.inv.TrustRoots(r, crossing.provider)
		unknown[crossing.client] = len(client) == 0
		unknown[crossing.provider] = len(provider) == 0
		shared := slices.ContainsFunc(client, func(root string) bool { return slices.Contains(provider, root) })
		if len(client) > 0 && len(provider) > 0 && !shared {
			differ = append(differ, crossing.String())
		}
	}
	maps.DeleteFunc(unknown, func(_ string, is bool) bool { return !is })
	switch {
	case len(differ) > 0:
		message := "No root certificate in common: " + strings.Join(differ, ", ") +
			". Their workloads cannot call one another: give the certificate authorities of their meshes a common root"
		return []metav1.Condition{output.Condition(v1alpha1.ConditionTrustMismatch, true, v1alpha1.ReasonRootsDiffer, message, generation)}
	case len(unknown) > 0:
		message := "The root certificates of the mesh are not known of: " + strings.Join(slices.Sorted(maps.Keys(unknown)), ", ") +
			". They are in the ConfigMap istio-ca-root-cert of Istio's root namespace"
		condition := output.Condition(v1alpha1.ConditionTrustMismatch, false, v1alpha1.ReasonRootsUnknown, message, generation)
		condition.Status = metav1.ConditionUnknown
		return []metav1.Condition{condition}
	}
	return nil
}
