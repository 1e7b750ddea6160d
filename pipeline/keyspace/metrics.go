package keyspace

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

type metrics struct {
	writes, keys, conflicts, failures, epochs, relists, damaged metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	var m metrics
	var errs []error
	for _, c := range []struct {
		counter           *metric.Int64Counter
		name, description string
	}{
		{&m.writes, "meshweir.keyspace.writes", "Atomic writes made."},
		{&m.keys, "meshweir.keyspace.keys", "Keys set or deleted."},
		{&m.conflicts, "meshweir.keyspace.conflicts", "Writes refused because another writer was faster."},
		{&m.failures, "meshweir.keyspace.failures", "Writes that Redis did not take, by its word for why."},
		{&m.epochs, "meshweir.keyspace.epochs", "Epochs opened."},
		{&m.relists, "meshweir.keyspace.relists", "Lists by readers, by reason."},
		{&m.damaged, "meshweir.keyspace.damaged", "Values and events that could not be decoded."},
	} {
		var err error
		*c.counter, err = meter.Int64Counter(c.name, metric.WithDescription(c.description))
		errs = append(errs, err)
	}
	return &m, errors.Join(errs...)
}

// refusal is a short word for why Redis did not take a write: its own, such as OOM or READONLY, or the class of the error.
func refusal(err error) string {
	if reply, ok := errors.AsType[redis.Error](err); ok {
		if word, _, _ := strings.Cut(reply.Error(), " "); word == strings.ToUpper(word) {
			return word
		}
	}
	return telemetry.ErrorClass(err)
}

func count(ctx context.Context, counter metric.Int64Counter, n int, name Name, attrs ...attribute.KeyValue) {
	counter.Add(ctx, int64(n), metric.WithAttributes(append(attrs, attribute.String("keyspace", name.Kind()))...))
}
