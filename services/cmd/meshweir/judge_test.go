package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

func TestCheckSaysWhatIsWrongAndHowToMendIt(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	beat := func(h internalv1.Heartbeat) *survey.Beat {
		info, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return &survey.Beat{Info: info, Until: now.Add(10 * time.Second)}
	}
	group := func(g survey.Group) survey.Keyspace {
		return survey.Keyspace{Name: "output/east", Exists: true, Complete: true, Stream: survey.Stream{Groups: []survey.Group{g}}}
	}
	alive := []survey.Consumer{{Name: "one", ActiveAt: ago(time.Second)}}
	snapshot := survey.Keyspace{Name: "snapshot/east", Kind: "snapshot", Exists: true, Complete: true, Beat: beat(internalv1.Heartbeat{Version: "v1"})}
	with := func(change func(*survey.Keyspace)) survey.Keyspace {
		k := snapshot
		change(&k)
		return k
	}
	tests := []struct {
		name     string
		keyspace survey.Keyspace
		members  map[string]internalv1.Membership
		of       string
		want     level
	}{
		{"a service that works", group(survey.Group{Name: "translator", Consumers: alive}), nil, "service", levelOK},
		{"a service that is silent", group(survey.Group{Name: "translator", Consumers: []survey.Consumer{{Name: "one", ActiveAt: ago(2 * time.Minute)}}}), nil, "service", levelFail},
		{"a service that was never there", snapshot, nil, "service", levelFail},
		{"a stream that is kept up with", group(survey.Group{Name: "translator", Consumers: alive}), nil, "stream", levelOK},
		{"a lag of a moment", group(survey.Group{Name: "translator", Consumers: alive, Lag: 9, UnreadAt: ago(time.Second)}), nil, "stream", levelOK},
		{"a lag that lasts", group(survey.Group{Name: "translator", Consumers: alive, Lag: 1, UnreadAt: ago(time.Minute)}), nil, "stream", levelWarn},
		{"a lag without end", group(survey.Group{Name: "translator", Consumers: alive, Lag: 1, UnreadAt: ago(time.Hour)}), nil, "stream", levelFail},
		{"an entry that is held", group(survey.Group{Name: "translator", Consumers: alive, Pending: 1, PendingAt: ago(time.Minute)}), nil, "stream", levelWarn},
		{"an agent that works", snapshot, nil, "agent", levelOK},
		{"no agent", with(func(k *survey.Keyspace) { k.Beat = nil }), nil, "agent", levelFail},
		{"no agent, and none is wanted", with(func(k *survey.Keyspace) { k.Beat = nil }), map[string]internalv1.Membership{"east": {State: internalv1.Deregistered}}, "agent", levelOK},
		{"an agent that is not wanted", snapshot, map[string]internalv1.Membership{"east": {State: internalv1.Deregistered}}, "agent", levelWarn},
		{"a cluster that was never seen", group(survey.Group{}), map[string]internalv1.Membership{"north": {State: internalv1.Registered}}, "agent", levelFail},
		{"a cluster that cannot be read", with(func(k *survey.Keyspace) { k.Beat = beat(internalv1.Heartbeat{Version: "v1", Outage: "refused"}) }), nil, "agent", levelFail},
		{"a cluster that takes not everything", with(func(k *survey.Keyspace) {
			k.Beat = beat(internalv1.Heartbeat{Version: "v1", Results: map[string]int{"Conflict": 1}})
		}), nil, "agent", levelWarn},
		{"an agent that may not read Secrets, as is usual", with(func(k *survey.Keyspace) {
			k.Beat = beat(internalv1.Heartbeat{Version: "v1", Unread: map[string]string{"Secret": "forbidden"}})
		}), nil, "agent", levelOK},
		{"an agent that may not read what it needs", with(func(k *survey.Keyspace) {
			k.Beat = beat(internalv1.Heartbeat{Version: "v1", Unread: map[string]string{"Secret": "forbidden", "Service": "forbidden"}})
		}), nil, "agent", levelWarn},
		{"a whole keyspace", snapshot, nil, "keyspace", levelOK},
		{"a keyspace that is being listed", with(func(k *survey.Keyspace) { k.Complete = false }), nil, "keyspace", levelWarn},
		{"a damaged keyspace", with(func(k *survey.Keyspace) { k.Trouble = []string{"damaged"} }), nil, "keyspace", levelFail},
		{"a keyspace that was just overtaken", with(func(k *survey.Keyspace) {
			k.Inputs = []survey.Input{{Name: "a/b", Behind: 3, ChangedAt: ago(time.Second)}}
		}), nil, "keyspace", levelOK},
		{"a keyspace that stays behind", with(func(k *survey.Keyspace) {
			k.Inputs = []survey.Input{{Name: "a/b", Behind: 3, ChangedAt: ago(time.Hour)}}
		}), nil, "keyspace", levelWarn},
		{"a keyspace made from a cluster that was just deregistered", with(func(k *survey.Keyspace) {
			k.Name, k.Kind, k.Inputs = "output/east", "output", []survey.Input{{Name: "snapshot/west", Lost: true, ChangedAt: now}}
		}), map[string]internalv1.Membership{"west": {State: internalv1.Deregistered}}, "keyspace", levelOK},
		{"what is left of a cluster that was just deregistered", with(func(k *survey.Keyspace) {
			k.Name, k.Kind, k.Trouble = "output/west", "output", []string{"it has no entries"}
		}), map[string]internalv1.Membership{"west": {State: internalv1.Deregistered}}, "keyspace", levelOK},
		{"what is of no cluster, though one had its name", with(func(k *survey.Keyspace) {
			k.Name, k.Kind, k.Trouble = "registry/clusters", "registry", []string{"damaged"}
		}), map[string]internalv1.Membership{"clusters": {State: internalv1.Deregistered}}, "keyspace", levelFail},
		{"a keyspace made from what is no more", with(func(k *survey.Keyspace) { k.Inputs = []survey.Input{{Name: "a/b", Lost: true, ChangedAt: now}} }), nil, "keyspace", levelWarn},
	}
	for _, tt := range tests {
		look := survey.Survey{At: now, Keyspaces: []survey.Keyspace{tt.keyspace}, Servers: []redisconn.Server{{Version: "7.2"}}}
		var got []verdict
		for _, v := range judgeSurvey(look, tt.members, nil, []string{"translator"}) {
			if v.Of == tt.of {
				got = append(got, v)
			}
			if v.Says == "" || v.Level != levelOK && v.Mend == "" {
				t.Errorf("%s: %+v does not say what it found, or how to mend it", tt.name, v)
			}
		}
		if len(got) != 1 || got[0].Level != tt.want {
			t.Errorf("%s: got %+v, want one line with %s", tt.name, got, tt.want)
		}
	}
}

func TestCheckPassesOnWhatAServerShouldDoOtherwise(t *testing.T) {
	got := judgeServers([]redisconn.Server{
		{Version: "7.2", Mode: "standalone", Role: "master", UsedMemory: 5 << 20, MaxMemory: 1 << 30, Policy: "noeviction"},
		{Address: "b:1", Findings: []redisconn.Finding{{Severity: redisconn.Warning, What: "w", Mend: "m"}, {Severity: redisconn.Problem, What: "p", Mend: "m"}}},
	})
	if len(got) != 3 || got[0].Level != levelOK || got[0].Says != "Redis 7.2, standalone, master, 5.0 MiB used of 1.0 GiB, noeviction" ||
		got[1].Level != levelWarn || got[2].Level != levelFail || got[2].Name != "control b:1" {
		t.Errorf("got %+v", got)
	}
}

func TestCheckTrustsAConsumerWhoseTimesAreNotKeptAndNoOther(t *testing.T) {
	now := time.Now()
	dead := survey.Keyspace{Name: "output/east", Exists: true, Complete: true, Stream: survey.Stream{Groups: []survey.Group{{
		Name: "translator", Consumers: []survey.Consumer{{Name: "one", ActiveAt: now.Add(-time.Hour)}},
	}}}}
	for want, server := range map[level]redisconn.Server{levelOK: {Mode: "embedded"}, levelFail: {Silent: true}} {
		look := survey.Survey{At: now, Keyspaces: []survey.Keyspace{dead}, Servers: []redisconn.Server{server}}
		if got := judgeServices(look, nil); len(got) != 1 || got[0].Level != want {
			t.Errorf("%+v: got %+v, want %s", server, got, want)
		}
	}
}

func TestWhatIsNoEventIsCountedInNoRevisions(t *testing.T) {
	now := time.Now()
	for _, waits := range []time.Duration{time.Second, time.Minute} {
		got := judgeGroup(survey.Keyspace{Name: "output/east"}, survey.Group{Name: "ui", Lag: -1, UnreadAt: now.Add(-waits)}, now)
		if !strings.Contains(got.Says, "no events") || strings.Contains(got.Says, "revisions") {
			t.Errorf("after %s: got %q", waits, got.Says)
		}
	}
}

func TestCheckFailsForAClusterThatIsNotSeenAndThatOthersNeed(t *testing.T) {
	feeds := roster{"west": {Name: "west", Feeds: map[string]int{"east": 2}}, "east": {Name: "east"}}
	east := survey.Keyspace{Name: "snapshot/east", Kind: "snapshot", Exists: true, Complete: true}
	of := func(members map[string]internalv1.Membership) (found []verdict) {
		for _, v := range judgeAgents(survey.Survey{Keyspaces: []survey.Keyspace{east}}, members, feeds) {
			if v.Name == "west" {
				found = append(found, v)
			}
		}
		return found
	}
	if got := of(nil); len(got) != 1 || got[0].Level != levelFail || !strings.Contains(got[0].Says, "held in east") || !strings.Contains(got[0].Mend, "deregister west") {
		t.Errorf("got %+v", got)
	}
	if got := of(map[string]internalv1.Membership{"west": {State: internalv1.Deregistered}}); len(got) != 0 {
		t.Errorf("of a deregistered cluster: got %+v", got)
	}
}
