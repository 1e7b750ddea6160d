package keyspace

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/events"
)

// Every version of an event that was ever shipped stays readable: Redis holds some while services are upgraded. Files are
// added, never changed.
func TestEventsThatWereEverWrittenAreRead(t *testing.T) {
	for file, want := range map[string]events.Changed{
		"changed.v1.json": {
			Version: 1, Keyspace: "snapshot/east", Epoch: "1795384246770-7cc0d76f", Revision: 3, Previous: "4e23307ecf8b10b3fa1175b241f7b524",
			Complete: true, At: 1795384246769, Set: []string{"Service/shop/cart"}, Deleted: []string{"Service/shop/gone"},
		},
		"asking.v1.json": {
			Version: 1, Keyspace: "output/east", Epoch: "1795384246902-3ec7f487", Revision: 2, Complete: true, At: 1795384246902, Relist: true,
		},
	} {
		got, err := ParseEvent(readFile(t, "../../schemas/events/testdata/"+file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}
