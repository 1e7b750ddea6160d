package globalservice

import (
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/translator/graph"
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

// mistrusting returns pairs "client and provider" of clusters that have no root certificate in common, as far as their roots are known.
func (t *Translator) mistrusting(r *graph.Reader, p plan, name Name) string {
	var pairs []string
	for _, client := range t.clients.Get(r, name) {
		for _, provider := range p.Providers {
			// Both may call one another; the pair is told once.
			if client < provider.Cluster || !slices.ContainsFunc(p.Providers, providerOf(client)) {
				if client != provider.Cluster && t.rootsDiffer(r, client, provider.Cluster) {
					pairs = append(pairs, client+" and "+provider.Cluster)
				}
			}
		}
	}
	return strings.Join(pairs, ", ")
}

func providerOf(cluster string) func(provider) bool {
	return func(p provider) bool { return p.Cluster == cluster }
}

func (t *Translator) rootsDiffer(r *graph.Reader, a, b string) bool {
	rootsA, rootsB := t.roots(r, a), t.roots(r, b)
	if len(rootsA) == 0 || len(rootsB) == 0 {
		return false
	}
	return !slices.ContainsFunc(rootsA, func(root string) bool { return slices.Contains(rootsB, root) })
}

func (t *Translator) roots(r *graph.Reader, cluster string) []string {
	var roots []string
	for _, gateway := range t.gateways.Get(r, cluster) {
		roots = append(roots, gateway.Spec.TrustRoots...)
	}
	return roots
}
