package apiserver

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestLost(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                []string
	}{
		{name: "nothing", before: `{"spec":{"a":1}}`, after: `{"spec":{"a":1,"b":2}}`},
		{name: "a change", before: `{"spec":{"a":1}}`, after: `{"spec":{"a":2}}`},
		{name: "a member", before: `{"spec":{"a":{"b":1,"c":2}}}`, after: `{"spec":{"a":{"c":2}}}`, want: []string{"spec.a.b"}},
		{name: "all of it", before: `{"spec":{"a":1}}`, after: `{}`, want: []string{"spec"}},
		{name: "an element", before: `{"hosts":["a","b","c"]}`, after: `{"hosts":["c","a"]}`, want: []string{"hosts[1]"}},
		{name: "one of two that are alike", before: `{"w":[1,1]}`, after: `{"w":[1]}`, want: []string{"w[1]"}},
		{
			name: "an element goes before", before: `{"e":[{"n":"a","p":{"x":1}}]}`, after: `{"e":[{"n":"0"},{"n":"a","p":{"x":2}}]}`,
		},
		{
			name: "a member of an element", before: `{"e":[{"n":"a","p":{"x":1}}]}`, after: `{"e":[{"n":"a"}]}`, want: []string{"e[0]"},
		},
		{
			name:   "metadata and status do not count",
			before: `{"metadata":{"labels":{"a":"b"}},"status":{"c":[1]}}`, after: `{"metadata":{},"status":{}}`,
		},
	}
	for _, test := range tests {
		w := Write{Before: json.RawMessage(test.before), After: json.RawMessage(test.after)}
		var got []string
		for _, loss := range w.Lost() {
			got = append(got, loss.Path)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestHistoryIsThatOfVersions has two requests that were written down in the
// other order than they were stored in, and one that changed nothing.
func TestHistoryIsThatOfVersions(t *testing.T) {
	var events []event
	for _, line := range []string{
		`{"verb":"create","objectRef":{"resource":"services","namespace":"n","name":"s"},"responseStatus":{"code":201},"responseObject":{"metadata":{"resourceVersion":"5"},"v":1}}`,
		`{"verb":"update","objectRef":{"resource":"services","namespace":"n","name":"s"},"responseStatus":{"code":200},"responseObject":{"metadata":{"resourceVersion":"9"},"v":3}}`,
		`{"verb":"update","objectRef":{"resource":"services","namespace":"n","name":"s"},"responseStatus":{"code":200},"responseObject":{"metadata":{"resourceVersion":"7"},"v":2}}`,
		`{"verb":"patch","objectRef":{"resource":"services","namespace":"n","name":"s"},"responseStatus":{"code":200},"responseObject":{"metadata":{"resourceVersion":"9"},"v":3}}`,
		`{"verb":"update","objectRef":{"resource":"services","namespace":"n","name":"s"},"responseStatus":{"code":409},"responseObject":{"kind":"Status"}}`,
	} {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(e.ResponseObject, &e.stored)
		events = append(events, e)
	}
	value := func(object json.RawMessage) int {
		var o struct{ V int }
		if object != nil {
			if err := json.Unmarshal(object, &o); err != nil {
				t.Fatal(err)
			}
		}
		return o.V
	}
	want := [][2]int{{0, 1}, {2, 3}, {1, 2}, {3, 3}, {0, 0}}
	for i, w := range history(events) {
		if got := [2]int{value(w.Before), value(w.After)}; got != want[i] {
			t.Errorf("%s: got %d before and %d after, want %v", w, got[0], got[1], want[i])
		}
	}
}
