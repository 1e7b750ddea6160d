package work

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// begin returns what a pass works in: a span that its causes led to, the events first and then the changes that no event of
// this replica tells of. A repair without causes is no part of any trace. Nor is the look at what another replica
// gets the event of a step of it; what such a look writes, because the other one did not, is.
func (w *Worker) begin(ctx context.Context, check bool, r *round, notes []telemetry.Cause) (working context.Context, end func(error)) {
	var causes []telemetry.Cause
	if r != nil {
		causes = r.causes
	}
	if !check && r == nil || len(causes)+len(notes) == 0 {
		return telemetry.Continue(ctx, notes), func(error) {}
	}
	told := map[trace.TraceID]bool{}
	for _, cause := range causes {
		told[cause.Span.TraceID()] = true
	}
	for _, note := range notes {
		if !told[note.Span.TraceID()] {
			causes = append(slices.Clip(causes), note)
		}
	}
	ctx, span := telemetry.Start(ctx, w.cfg.Tracer, w.cfg.Operation, causes, trace.WithAttributes(
		attribute.Int("meshweir.causes", len(causes)), attribute.Bool("meshweir.repair", check)))
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, telemetry.ErrorClass(err))
		}
		span.End()
	}
}
