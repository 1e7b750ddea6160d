package insights

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/schemas/insight"
)

// gauge shows how many insights there are.
type gauge struct {
	mu     sync.Mutex // guards counts
	counts map[series]int64
}

// series is one line of the gauge.
type series struct {
	code     string
	severity insight.Severity
	cluster  string
	// unknown is of those of which nobody can tell at the moment whether they hold.
	unknown bool
}

func newGauge(meter metric.Meter) (*gauge, error) {
	g := &gauge{}
	_, err := meter.Int64ObservableGauge("meshweir.insights", metric.WithDescription("Open insights, by code, severity, cluster, and whether nobody can tell at the moment if they still hold. Each replica counts all of them."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			for s, n := range g.counts {
				o.Observe(n, metric.WithAttributes(
					attribute.String("code", s.code), attribute.String("severity", string(s.severity)), attribute.String("cluster", s.cluster),
					attribute.Bool("unknown", s.unknown)))
			}
			return nil
		}))
	return g, err
}

// set counts what is said, and not muted.
func (g *gauge) set(says map[string]insight.Insight) {
	counts := map[series]int64{}
	for _, said := range says {
		if said.MutedBy == nil {
			counts[series{said.Code, said.Severity, said.Target.Cluster, said.Unknown != ""}]++
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts = counts
}
