package istio_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

// TestIstioHasNoSubsetWhereInsightsSays compares CFG0106 with the proxies: a subset is found exactly where some proxy's routes lead to it, and none of
// these proxies has a cluster for it. What Meshweir makes of a GlobalService is not there, and a host that is not there is CFG0101's.
func TestIstioHasNoSubsetWhereInsightsSays(t *testing.T) {
	judged := 0
	for name, f := range insightFleets(t, "cfg0106") {
		t.Run(name, func(t *testing.T) {
			all := f.expected()
			found, hostless := map[leg]bool{}, map[string]bool{}
			for id, s := range said(t, all) {
				_, detail, _ := strings.Cut(id, "#")
				switch s.Code {
				case "CFG0101":
					hostless[detail] = true
				case "CFG0106":
					host, subset, _ := strings.Cut(detail, "/")
					found[leg{host, subset}] = true
				}
			}
			for cluster, objects := range all {
				if slices.ContainsFunc(objects, func(o object) bool { return o.head().Kind == internalv1.KindUnreadKind }) {
					continue
				}
				for to, exists := range leadsTo(t, objects, seenFrom(cluster, all)) {
					if to.subset == "" || hostless[to.host] || isGlobal(all, to.host) {
						continue
					}
					judged++
					if found[to] == exists {
						t.Errorf("routes lead to %v, which exists in Istio: %v; insights finds it missing: %v", to, exists, found[to])
					}
					delete(found, to)
				}
			}
			for to := range found {
				t.Errorf("insights finds %v missing, and no proxy leads there", to)
			}
		})
	}
	if judged < 10 {
		t.Errorf("judged %d subsets, want 10 or more", judged)
	}
}
