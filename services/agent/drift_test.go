package agent

import (
	"slices"
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
		"metadata": map[string]any{"name": "web", "uid": "x", "labels": map[string]any{"a": "2"}},
		"spec":     map[string]any{"hosts": []any{"web", "www"}, "http": []any{map[string]any{"timeout": "9s", "retries": 1.0}}, "tls": []any{}},
	}}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	argo := internalv1.FieldManager{Name: "argocd", Operation: "Apply", Time: at}
	edit := internalv1.FieldManager{Name: "kubectl-edit", Operation: "Update", Time: at.Add(time.Minute)}
	once := drifted(nil, want, stands, []internalv1.FieldManager{argo}, at.Add(time.Millisecond))
	first := internalv1.Drift{
		Times: 1, First: at, Last: at, By: []internalv1.FieldManager{argo},
		Fields: []string{"metadata.labels.a", "spec.hosts", "spec.http[0].timeout", "spec.tls"},
	}
	if diff := cmp.Diff(&first, once); diff != "" {
		t.Errorf("a first drift (-want +got):\n%s", diff)
	}
	if got := differing(want.Object, map[string]any{"metadata": want.Object["metadata"]}); !slices.Equal(got, []string{"spec.hosts", "spec.http"}) {
		t.Errorf("without all of spec, %v differ", got)
	}
	argo.Time = at.Add(2 * time.Minute)
	twice := drifted(once, want, stands, []internalv1.FieldManager{argo}, at.Add(2*time.Minute))
	twice = drifted(twice, want, stands, []internalv1.FieldManager{edit}, at.Add(2*time.Minute))
	if diff := cmp.Diff([]internalv1.FieldManager{argo, edit}, twice.By); diff != "" || twice.Unnamed != 0 {
		t.Errorf("after one more by each, by whom (-want +got), with %d unnamed:\n%s", twice.Unnamed, diff)
	}
	deleted := drifted(once, want, nil, nil, at.Add(59*time.Minute))
	if deleted.Times != 2 || !deleted.First.Equal(at) || !deleted.Last.Equal(at.Add(59*time.Minute)) || len(deleted.Fields) != 4 || deleted.Unnamed != 1 || len(deleted.By) != 1 {
		t.Errorf("a second drift, a deletion, makes %+v", deleted)
	}
	if once.Times != 1 {
		t.Error("the record of the first drift was changed")
	}
	if later := drifted(deleted, want, nil, nil, deleted.Last.Add(time.Hour)); later.Times != 1 || later.First != later.Last || later.Fields != nil || later.By != nil {
		t.Errorf("after an hour of rest it makes %+v, want a new count", later)
	}
}
