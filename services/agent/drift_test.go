package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

func TestDriftSaysHowOftenWhereAndByWhom(t *testing.T) {
	want := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "web", "labels": map[string]any{"a": "1"}},
		"spec":     map[string]any{"hosts": []any{"web"}, "http": []any{map[string]any{"timeout": "5s", "retries": int64(1)}}},
	}}
	stands := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{
			"name": "web", "uid": "x", "labels": map[string]any{"a": "2"},
			"managedFields": []any{map[string]any{"manager": "meshweir"}, map[string]any{"manager": "argocd"}},
		},
		"spec": map[string]any{"hosts": []any{"web", "www"}, "http": []any{map[string]any{"timeout": "9s", "retries": 1.0}}, "tls": []any{}},
	}}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	once := drifted(nil, want, stands, at.Add(time.Millisecond))
	first := internalv1.Drift{
		Times: 1, First: at, Last: at, By: []string{"argocd"},
		Fields: []string{"metadata.labels.a", "spec.hosts", "spec.http[0].timeout", "spec.tls"},
	}
	if diff := cmp.Diff(&first, once); diff != "" {
		t.Errorf("a first drift (-want +got):\n%s", diff)
	}
	deleted := drifted(once, want, nil, at.Add(59*time.Minute))
	if deleted.Times != 2 || !deleted.First.Equal(at) || !deleted.Last.Equal(at.Add(59*time.Minute)) || len(deleted.Fields) != 4 {
		t.Errorf("a second drift, a deletion, makes %+v", deleted)
	}
	if once.Times != 1 {
		t.Error("the record of the first drift was changed")
	}
	if later := drifted(deleted, want, nil, deleted.Last.Add(time.Hour)); later.Times != 1 || later.First != later.Last || later.Fields != nil {
		t.Errorf("after an hour of rest it makes %+v, want a new count", later)
	}
}
