package istio_test

import (
	"os"
	"testing"

	"istio.io/istio/pkg/log"
)

// TestMain keeps istiod quiet: what it logs at length, the tests look at.
func TestMain(m *testing.M) {
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}
