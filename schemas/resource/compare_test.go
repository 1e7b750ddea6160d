package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

type (
	object = map[string]any
	list   = []any
)

func TestComparesAsJSONDoes(t *testing.T) {
	tests := []struct {
		name string
		a, b any
		want bool
	}{
		{"the same", object{"a": list{"x", int64(1), true, nil}}, object{"a": list{"x", int64(1), true, nil}}, true},
		{"one number in two forms", list{int64(1)}, list{float64(1)}, true},
		{"two numbers in two forms", list{int64(1)}, list{1.5}, false},
		{"a number and its text", list{int64(1)}, list{"1"}, false},
		{"another value deep down", object{"a": list{object{"b": "x"}}}, object{"a": list{object{"b": "y"}}}, false},
		{"a field more", object{"a": "x"}, object{"a": "x", "b": "y"}, false},
		{"a field of another name", object{"a": nil}, object{"b": nil}, false},
		{"an item more", list{"x"}, list{"x", "y"}, false},
		{"another order", list{"x", "y"}, list{"y", "x"}, false},
		{"an object and a list", object{}, list{}, false},
		{"an object and nothing", object{}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Same(tt.a, tt.b); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
			if got := Same(tt.b, tt.a); got != tt.want {
				t.Errorf("the other way round: got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestNamesTheFieldsThatDiffer(t *testing.T) {
	desired := object{
		"labels": object{"a": "1"},
		"spec": object{
			"hosts": list{"web"}, "http": list{object{"timeout": "5s", "retries": int64(1)}},
			"tls": object{"mode": "SIMPLE", "port": object{"number": int64(443)}},
		},
	}
	tests := []struct {
		name string
		live object
		want []Difference
	}{
		{"nothing", desired, nil},
		{"values, and one number in two forms", object{"labels": object{"a": "2"}, "spec": object{
			"hosts": list{"www"}, "http": list{object{"timeout": "5s", "retries": 1.0}}, "tls": object{"mode": "SIMPLE", "port": object{"number": int64(443)}},
		}}, []Difference{{Path: "labels.a", Desired: "1", Live: "2"}, {Path: "spec.hosts[0]", Desired: "web", Live: "www"}}},
		{"fields that others added", object{"labels": object{"a": "1", "b": "1"}, "spec": object{
			"hosts": list{"web"}, "http": list{object{"timeout": "5s", "retries": int64(1), "match": list{}}},
			"tls": object{"mode": "SIMPLE", "port": object{"number": int64(443)}}, "exportTo": list{"."},
		}}, []Difference{
			{Path: "labels.b", Live: "1", Added: true},
			{Path: "spec.exportTo", Live: list{"."}, Added: true},
			{Path: "spec.http[0].match", Live: list{}}, // a list has one owner as a whole
		}},
		{"an item more, another kind, and less", object{"labels": "a", "spec": object{"hosts": list{"web", "www"}, "http": list{}}}, []Difference{
			{Path: "labels", Desired: object{"a": "1"}, Live: "a"},
			{Path: "spec.hosts", Desired: list{"web"}, Live: list{"web", "www"}},
			{Path: "spec.http", Desired: desired["spec"].(object)["http"], Live: list{}},
			{Path: "spec.tls.mode", Desired: "SIMPLE"},
			{Path: "spec.tls.port.number", Desired: int64(443)},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Differences(desired, tt.live)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
