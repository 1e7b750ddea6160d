package translator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/services/translator"
)

// TestAWorkspaceChangesWhatItAllowsAndNothingElse changes the Workspaces of the golden case "workspaces".
func TestAWorkspaceChangesWhatItAllowsAndNothingElse(t *testing.T) {
	payments := func(exports ...any) manifest {
		return manifest{
			"apiVersion": "meshweir.io/v1alpha1", "kind": "Workspace", "metadata": map[string]any{"name": "payments", "generation": 1},
			"spec": map[string]any{
				"members": []any{
					map[string]any{"namespaces": []any{"payments"}},
					map[string]any{"clusters": []any{"west"}, "labels": map[string]any{"team": "payments"}},
				},
				"exports": exports,
				"imports": []any{map[string]any{"workspace": "platform", "kinds": []any{"Gateway"}}},
			},
		}
	}
	toShop := map[string]any{"workspace": "shop", "kinds": []any{"GlobalService"}}
	for _, tt := range []struct {
		name string
		now  manifest
		want []string
	}{
		{"the same", payments(toShop), nil},
		{"an export that nobody imports", payments(toShop, map[string]any{"workspace": "blog"}), nil},
		{"no export to shop", payments(), []string{
			"east DestinationRule/pay", "east HTTPRoute status", "east ServiceEntry/pay", "east VirtualService",
			"west DestinationRule/ledger", "west ServiceEntry/ledger",
		}},
		{"Services too", payments(map[string]any{"workspace": "shop"}), []string{
			"east DestinationRule/thief", "east GlobalService status", "east HTTPRoute status", "east ServiceEntry/thief", "east VirtualService",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := translator.NewEngine()
			for name, cluster := range readFleet(t, "testdata/workspaces/in.yaml").inputs().Clusters {
				e.Replace(name, cluster.Objects)
				e.SetComplete(name, true)
			}
			e.Update()
			e.Apply("mgmt", translator.Change{Key: tt.now.key().String(), Object: tt.now.decode()})
			if diff := cmp.Diff(tt.want, short(e.Update())); diff != "" {
				t.Errorf("touched (-want +got):\n%s", diff)
			}
		})
	}
}

// short names what was touched as "cluster Kind/name of a GlobalService", or "cluster Kind status".
func short(touched translator.Touched) []string {
	var names []string
	for cluster, keys := range touched.Objects {
		for _, key := range keys {
			name := cluster + " " + key.Kind
			for _, global := range []string{"pay-", "ledger-", "thief-"} {
				if key.Kind != "VirtualService" && strings.Contains(key.Name, "-"+global) {
					name += "/" + strings.TrimSuffix(global, "-")
				}
			}
			names = append(names, name)
		}
	}
	for cluster, keys := range touched.Statuses {
		for _, key := range keys {
			names = append(names, cluster+" "+key.Kind+" status")
		}
	}
	slices.Sort(names)
	return names
}
