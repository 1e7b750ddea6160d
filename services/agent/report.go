package agent

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// refuseAll reports that the whole output is older than what was applied before:
// Redis lost a part of its history. The snapshot says so, for whoever writes the output to begin a new epoch.
func (p *applier) refuseAll(ctx context.Context, output map[resource.Key]wanted, at, last keyspace.Position) error {
	for key := range output {
		p.note(ctx, key, internalv1.Applied{
			Result: internalv1.ResultRefused, Output: last.String(),
			Message: fmt.Sprintf("the output is at %s, and was applied up to %s before", at, last),
		})
	}
	p.sayRefused(refusedOutput, outputKind, last)
	return p.report(ctx)
}

// sayRefused stages in the snapshot how far a keyspace was applied that is older now. It goes with the next flush of the publisher.
func (p *applier) sayRefused(key, kind string, last keyspace.Position) {
	p.snapshot.Set(key, fmt.Appendf(nil,
		`{"apiVersion":"%s/v1","kind":%q,"metadata":{"name":%q,"annotations":{%q:%q}}}`,
		resource.InternalGroup, internalv1.KindRefusedOutput, kind, resource.OutputAnnotation, last))
}

// forget drops the reports of objects that are neither wanted nor there.
func (p *applier) forget(output map[resource.Key]wanted, live map[resource.Key]*unstructured.Unstructured) {
	for key := range p.reported {
		_, isWanted := output[key]
		if _, isThere := live[key]; !isWanted && !isThere {
			delete(p.reported, key)
			p.reports.Delete(key.String())
		}
	}
}

// report writes what is staged of the reports, all of which are known now.
func (p *applier) report(ctx context.Context) error {
	results := map[string]int{}
	for _, record := range p.reported {
		results[string(record.Result)]++
	}
	p.vitals.update(func(b *internalv1.Heartbeat) { b.Results = results })
	p.reports.Complete()
	if err := p.reports.Flush(ctx); err != nil {
		return fmt.Errorf("reporting what was applied: %w", err)
	}
	return nil
}
