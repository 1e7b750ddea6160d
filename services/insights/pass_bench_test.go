package insights

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// BenchmarkPass is a pass in which nothing changed, over 10 clusters with so many insights in all, on the embedded Redis.
func BenchmarkPass(b *testing.B) {
	for _, many := range []int{0, 1000, 10000} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			log, client := slog.New(slog.DiscardHandler), pipelinetest.Embedded(b)
			store, err := keyspace.NewStore(log, client, keyspace.Config{})
			if err != nil {
				b.Fatal(err)
			}
			s, err := New(log, store, work.Clients{Commands: client, Blocking: client}, Config{})
			if err != nil {
				b.Fatal(err)
			}
			for c := range 10 {
				cluster := fmt.Sprintf("c%02d", c)
				s.setState(cluster, true)
				for i := range many / 10 {
					key := fmt.Sprintf("VirtualService.networking.istio.io/shop/web-%d", i)
					object, err := fleet.Decode(key, fmt.Appendf(nil, `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService",
						"metadata":{"namespace":"shop","name":"web-%d"},"spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"gone"}}]}]}}`, i))
					if err != nil {
						b.Fatal(err)
					}
					s.engine.Fleet.Put(cluster, object)
				}
			}
			pass := func() {
				if err := s.pass(b.Context(), false); err != nil {
					b.Fatal(err)
				}
			}
			pass()
			if got := len(s.engine.says); got < many {
				b.Fatalf("%d insights, want %d", got, many)
			}
			for b.Loop() {
				pass()
			}
		})
	}
}
