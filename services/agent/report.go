package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

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
	p.publish()
}

// sayUnapplied stages in the snapshot which objects are not applied, and why, so that the translator can tell their sources.
func (p *applier) sayUnapplied(output map[resource.Key]wanted, live map[resource.Key]*unstructured.Unstructured) {
	unapplied := map[resource.Key]internalv1.UnappliedSpec{}
	for key, record := range p.reported {
		if record.Result == internalv1.ResultApplied {
			continue
		}
		object := output[key].object
		if object == nil {
			object = live[key]
		}
		unapplied[key] = internalv1.UnappliedSpec{
			Object: key.String(), Sources: sourcesOf(object), Result: record.Result, Message: clip(record.Message),
		}
	}
	if reflect.DeepEqual(unapplied, p.unapplied) {
		return
	}
	for key := range p.unapplied {
		if _, still := unapplied[key]; !still {
			p.snapshot.Delete(unappliedKey(key).String())
		}
	}
	for key, spec := range unapplied {
		at := unappliedKey(key)
		value, _ := json.Marshal(internalv1.Unapplied{ // texts: it does not fail
			TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindUnapplied},
			ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Name},
			Spec:       spec,
		})
		p.snapshot.Set(at.String(), value)
	}
	p.unapplied = unapplied
	p.publish()
}

func unappliedKey(of resource.Key) resource.Key {
	kind := schema.GroupKind{Group: of.Group, Kind: of.Kind}
	return resource.Key{
		Group: resource.InternalGroup, Kind: internalv1.KindUnapplied, Namespace: of.Namespace, Name: strings.ToLower(kind.String()) + "." + of.Name,
	}
}

func sourcesOf(object *unstructured.Unstructured) []string {
	if object == nil {
		return nil
	}
	list := object.GetAnnotations()[resource.SourcesAnnotation]
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// clip keeps of a message what a condition can hold a few of.
func clip(message string) string {
	const longest = 8 << 10
	return strings.ToValidUTF8(message[:min(len(message), longest)], "")
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
