package istio_test

import (
	"slices"
	"testing"

	"istio.io/istio/pilot/pkg/config/kube/gatewaycommon"

	"github.com/meshweir/meshweir/schemas/istio"
)

// TestInsightsKnowsTheClassesOfIstio proves that CFG0105 takes none of istiod's own classes for one that nobody offers. istiod leaves those out
// of its list that are switched off.
func TestInsightsKnowsTheClassesOfIstio(t *testing.T) {
	if len(gatewaycommon.AllClasses) == 0 {
		t.Fatal("Istio has no classes")
	}
	for class := range gatewaycommon.AllClasses {
		if !slices.Contains(istio.GatewayClasses(), string(class)) {
			t.Errorf("Istio answers to the class %s, which schemas/istio does not know", class)
		}
	}
}
