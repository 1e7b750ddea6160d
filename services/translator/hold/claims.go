package hold

import (
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/schemas/v1alpha1"
	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/output"
)

// Claims are the GlobalServices and Workspaces of missing clusters that
// something which is held was made from. GlobalServices go on to stand against
// others of the same name or host, which would otherwise take their place while
// they cannot be seen.
type Claims struct {
	// Clusters are the missing clusters by "namespace/name" of the GlobalService.
	Clusters map[string]string
	// Hosts are "namespace/name" of the GlobalServices by host.
	Hosts map[string]string
	// Workspaces are the missing clusters that have Workspaces, sorted.
	Workspaces []string
}

// Claims returns the claims of missing clusters.
func (h *Hold) Claims(r *graph.Reader) Claims { return h.claims.Get(r, struct{}{}) }

func (h *Hold) findClaims(r *graph.Reader, _ struct{}) Claims {
	missing := h.inv.Missing(r)
	if len(missing) == 0 {
		return Claims{}
	}
	claims := Claims{Clusters: map[string]string{}, Hosts: map[string]string{}}
	for _, cluster := range h.inv.Clusters(r) {
		held := h.objects.Get(r, cluster)
		for _, key := range sortedKeys(held) {
			for _, source := range held[key].sources {
				home, claimed, ok := ours(source)
				if !ok || !slices.Contains(missing, home) {
					continue
				}
				if claimed.Kind == v1alpha1.KindWorkspace {
					claims.Workspaces = append(claims.Workspaces, home)
					continue
				}
				name := claimed.Namespace + "/" + claimed.Name
				claims.Clusters[name] = home
				// Its other sources keep the host from others, and do not have it.
				if namespace, short, _ := strings.Cut(name, "/"); key.Name == output.Name(namespace, short) {
					for _, host := range held[key].hosts {
						claims.Hosts[host] = name
					}
				}
			}
		}
	}
	slices.Sort(claims.Workspaces)
	claims.Workspaces = slices.Compact(claims.Workspaces)
	return claims
}

func sortedKeys(held map[resource.Key]object) []resource.Key {
	keys := make([]resource.Key, 0, len(held))
	for key := range held {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b resource.Key) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// ours reads a source "cluster:key" that is a GlobalService or a Workspace.
func ours(source string) (cluster string, key resource.Key, ok bool) {
	cluster, rest, _ := strings.Cut(source, ":")
	key, err := resource.ParseKey(rest)
	ok = err == nil && key.Group == resource.Group && (key.Kind == v1alpha1.KindGlobalService || key.Kind == v1alpha1.KindWorkspace)
	return cluster, key, ok
}

// hosts returns the hosts of a ServiceEntry.
func hosts(object map[string]any) []string {
	if object["kind"] != "ServiceEntry" {
		return nil
	}
	spec, _ := object["spec"].(map[string]any)
	list, _ := spec["hosts"].([]any)
	var found []string
	for _, host := range list {
		if text, ok := host.(string); ok {
			found = append(found, text)
		}
	}
	return found
}
