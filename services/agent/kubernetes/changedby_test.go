package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

func TestNamesWhoHoldsWhatIsNotAsWanted(t *testing.T) {
	t.Parallel()
	const head, labels = `"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry"`, `"` + resource.ManagedByLabel + `":"` + resource.ManagedBy + `"`
	want := parse(`{` + head + `,"metadata":{"namespace":"shop","name":"web","labels":{"a":"1",` + labels + `}},
		"spec":{"hosts":["a.example.com"],"exportTo":["."],"ports":[{"name":"http","number":80,"protocol":"HTTP"},{"name":"grpc","number":90,"protocol":"GRPC"}]}}`)
	// entry is one of managedFields, changed at a minute.
	entry := func(manager, operation, subresource string, minute int, fields string) string {
		return fmt.Sprintf(`{"manager":%q,"operation":%q,"subresource":%q,"apiVersion":"networking.istio.io/v1","time":"2026-11-01T12:%02d:00Z","fieldsType":"FieldsV1","fieldsV1":%s}`,
			manager, operation, subresource, minute, fields)
	}
	// oursBut is what is left to us of what we applied, without one part of the set of fields.
	oursBut := func(lost string) string {
		all := `{"f:metadata":{"f:labels":{"f:` + resource.ManagedByLabel + `":{},"f:a":{}}},"f:spec":{"f:hosts":{},"f:exportTo":{"v:\".\"":{}},"f:ports":{` +
			`"k:{\"name\":\"http\"}":{".":{},"f:name":{},"f:number":{},"f:protocol":{}},"k:{\"name\":\"grpc\"}":{".":{},"f:name":{},"f:number":{},"f:protocol":{}}}}}`
		if lost != "" && !strings.Contains(all, lost) {
			t.Fatalf("%s is not in %s", lost, all)
		}
		left := strings.Replace(all, lost, "", 1)
		return entry(resource.ManagedBy, "Apply", "", 0, strings.NewReplacer(",,", ",", "{,", "{", ",}", "}").Replace(left))
	}
	by := func(name, operation string, minute int) internalv1.FieldManager {
		return internalv1.FieldManager{Name: name, Operation: operation, Time: time.Date(2026, 11, 1, 12, minute, 0, 0, time.UTC)}
	}
	const hosts = `{"f:spec":{"f:hosts":{}}}`
	for _, c := range []struct {
		name string
		// entries are all of managedFields.
		entries []string
		want    []internalv1.FieldManager
	}{
		{"who took a list", []string{oursBut(`"f:hosts":{}`), entry("kubectl-edit", "Update", "", 5, hosts)}, []internalv1.FieldManager{by("kubectl-edit", "Update", 5)}},
		{
			"the latest first",
			[]string{
				oursBut(`"f:hosts":{}`), entry("argocd", "Apply", "", 3, `{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:hosts":{}}}`), entry("kubectl-edit", "Update", "", 5, hosts),
			},
			[]internalv1.FieldManager{by("kubectl-edit", "Update", 5), by("argocd", "Apply", 3)},
		},
		{
			"a field of an item of a list",
			[]string{
				oursBut(`,"f:protocol":{}`), // of the first port
				entry("kubectl-edit", "Update", "", 5, `{"f:spec":{"f:ports":{"k:{\"name\":\"http\"}":{"f:protocol":{}}}}}`),
				entry("other", "Apply", "", 6, `{"f:spec":{"f:ports":{"k:{\"name\":\"grpc\"}":{".":{},"f:name":{},"f:protocol":{}}}}}`),
			},
			[]internalv1.FieldManager{by("kubectl-edit", "Update", 5)},
		},
		{"an item of a set", []string{oursBut(`"f:exportTo":{"v:\".\"":{}}`), entry("kubectl-edit", "Update", "", 5, `{"f:spec":{"f:exportTo":{"v:\".\"":{}}}}`)}, []internalv1.FieldManager{by("kubectl-edit", "Update", 5)}},
		{"nobody, of a field that was removed", []string{oursBut(`"f:hosts":{}`), entry("other", "Update", "", 5, `{"f:spec":{"f:exportTo":{"v:\".\"":{}}}}`)}, nil},
		{"nobody who holds what is not wanted", []string{oursBut(`"f:hosts":{}`), entry("other", "Update", "", 5, `{"f:metadata":{"f:annotations":{".":{},"f:x":{}}},"f:spec":{"f:location":{}}}`)}, nil},
		{"nobody who holds it with us", []string{oursBut(`"f:a":{}`), entry("other", "Apply", "", 5, hosts)}, nil},
		{"nobody who wrote a subresource", []string{oursBut(`"f:hosts":{}`), entry("other", "Update", "status", 5, hosts)}, nil},
		{"not ourselves", []string{oursBut(`"f:hosts":{}`), entry(resource.ManagedBy, "Update", "", 5, hosts)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := parse(`{` + head + `,"metadata":{"namespace":"shop","name":"web","labels":{"a":"2",` + labels + `},"managedFields":[` + strings.Join(c.entries, ",") + `]},
				"spec":{"hosts":["b.example.com"],"exportTo":["."],"ports":[{"name":"http","number":80,"protocol":"HTTP"},{"name":"grpc","number":90,"protocol":"TCP"}]}}`)
			m, k := mirrorOf(object)
			if err := k.Add(&reading{name: name{"shop", "web"}, uid: "u", version: "10", standing: stand(object)}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, (&Cluster{mirror: m}).ChangedBy(want)); diff != "" {
				t.Errorf("changed by (-want +got):\n%s", diff)
			}
		})
	}
	if by := (&Cluster{mirror: (&Cluster{}).newMirror()}).ChangedBy(want); by != nil {
		t.Errorf("an object that is gone was changed by %v, want nobody", by)
	}
}
