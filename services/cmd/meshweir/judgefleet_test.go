package main

import (
	"strings"
	"testing"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

func TestCheckCountsOpenInsights(t *testing.T) {
	of := func(severities ...insight.Severity) (all []finding) {
		for _, s := range severities {
			all = append(all, finding{Insight: insight.Insight{Severity: s}})
		}
		return all
	}
	muted, unknown := of(insight.Error), of(insight.Error)
	muted[0].MutedBy, unknown[0].Unknown = &insight.Ref{}, "west cannot be seen"
	tests := []struct {
		name string
		in   found
		want verdict
	}{
		{"none", found{true, nil}, verdict{levelOK, "insights", "fleet", "No insights", ""}},
		{
			"errors and warnings",
			found{true, of(insight.Error, insight.Warning, insight.Error)},
			verdict{levelWarn, "insights", "fleet", "2 errors, 1 warning open", "meshweir insights"},
		},
		{"what is worth knowing", found{true, of(insight.Info)}, verdict{levelOK, "insights", "fleet", "1 info open", ""}},
		{"muted", found{true, muted}, verdict{levelOK, "insights", "fleet", "No insights, 1 muted", ""}},
		{
			"unknown",
			found{true, unknown},
			verdict{levelWarn, "insights", "fleet", "1 error open, of 1 of which nobody can tell at the moment whether they hold", "meshweir insights"},
		},
		{
			"nobody has looked",
			found{false, nil},
			verdict{levelWarn, "insights", "fleet", "No insights; and nobody has looked at the whole fleet yet", "see that insights works, and its log"},
		},
	}
	for _, tt := range tests {
		if got := judgeInsights(tt.in); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestCheckWarnsOfOneClusterUnderSeveralNames(t *testing.T) {
	of := func(name keyspace.Name, uid string) survey.Keyspace {
		return survey.Keyspace{Name: name, Kind: snapshotKind, Exists: true, Complete: true, Owner: uid}
	}
	look := survey.Survey{Keyspaces: []survey.Keyspace{of("snapshot/west", "a"), of("snapshot/east", "a"), of("snapshot/old", "a"), of("snapshot/mgmt", "b")}}
	members := map[string]internalv1.Membership{
		"old": {State: internalv1.Deregistered, UID: "a"}, "north": {State: internalv1.Registered}, "south": {State: internalv1.Registered},
	}
	var got []verdict
	for _, v := range judgeSurvey(look, members, nil, nil) {
		if strings.Contains(v.Says, "one cluster") {
			got = append(got, v)
		}
	}
	if len(got) != 1 || got[0].Level != levelWarn || got[0].Name != "east, west" || !strings.Contains(got[0].Mend, "cluster deregister") {
		t.Errorf("got %+v, want one warning of east and west", got)
	}
}

func TestClusterLsMarksOneClusterUnderSeveralNames(t *testing.T) {
	r := newRedisWithFleet(t)
	twin := r.store.Owned("snapshot/eastern", "uid-east")
	twin.Set("Service/shop/catalog", []byte(`{}`))
	r.flush(twin)
	table, notes := r.meshweir(0, "cluster", "ls")
	if !strings.Contains(table, "uid-east (also eastern)") || !strings.Contains(notes, "east and eastern are one cluster") || strings.Contains(notes, "eastern and east are") {
		t.Errorf("got\n%s%s", table, notes)
	}
	r.meshweir(0, "cluster", "deregister", "eastern")
	if table, notes := r.meshweir(0, "cluster", "ls"); strings.Contains(table+notes, "one cluster") || strings.Contains(table, "(also") {
		t.Errorf("after it was deregistered: got\n%s%s", table, notes)
	}
}
