package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/work"
)

// plant is a Redis with a keyspace and a service on it, and the command line as its operator's user.
type plant struct {
	*testing.T
	server *pipelinetest.Server
	store  *keyspace.Store
	client redis.UniversalClient
	owner  *keyspace.Owned
	url    string // of the user meshweir-operator
	checks chan bool
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	server := pipelinetest.RealServer(t)
	client := server.Client()
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), client, keyspace.Config{Block: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := keyspace.Access{Operates: true}.Rules()
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{T: t, server: server, store: store, client: client, url: server.User("meshweir-operator", rules...), checks: make(chan bool, 100)}
	p.owner = store.Owned("snapshot/east", "uid")
	p.owner.Complete()
	p.write("a")
	t.Cleanup(func() {
		if denied := server.Denied(); len(denied) > 0 {
			t.Errorf("the server refused %q", denied)
		}
	})
	return p
}

func (p *plant) write(key string) {
	p.Helper()
	p.owner.Set(key, fmt.Appendf(nil, "%d", time.Now().UnixNano()))
	if err := p.owner.Flush(p.Context()); err != nil {
		p.Fatal(err)
	}
}

func (p *plant) cli(code int, args ...string) (stdout, stderr string) {
	p.Helper()
	return cli(p.T, code, append(args, "--redis-control", p.url)...)
}

// serve runs a service on the keyspace, until the test ends.
func (p *plant) serve(group string) {
	p.Helper()
	p.serveWith(group, func(_ context.Context, check bool) error { p.checks <- check; return nil })
}

func (p *plant) serveWith(group string, pass work.Pass) {
	p.Helper()
	replica, err := keyspace.NewReplica(p.store, keyspace.ReplicaConfig[string]{
		Kinds: []string{"snapshot"}, Decode: func(_ string, value []byte) (string, error) { return string(value), nil },
	})
	if err != nil {
		p.Fatal(err)
	}
	worker, err := work.New(slog.New(slog.DiscardHandler), p.store, work.Clients{Commands: p.client, Blocking: p.client}, replica, pass,
		work.Config{Group: group, Kinds: []string{"snapshot"}, RepairEvery: time.Hour})
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	p.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			p.Error(err)
		}
	})
	p.eventually("the service to be there", func() bool {
		groups, err := p.client.XInfoGroups(p.Context(), keyspace.Name("snapshot/east").EventsKey()).Result()
		return err == nil && slices.ContainsFunc(groups, func(g redis.XInfoGroup) bool { return g.Name == group && g.Pending == 0 && g.LastDeliveredID != "0-0" })
	})
}

func (p *plant) eventually(what string, holds func() bool) {
	p.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			p.Fatalf("waited in vain: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestRepairWaitsUntilTheServicesHaveCompared(t *testing.T) {
	p := newPlant(t)
	p.serve("translator")
	for len(p.checks) > 0 {
		<-p.checks
	}
	out, _ := p.cli(0, "pipeline", "repair", "east", "-o", "json")
	var answer struct{ Keyspaces []asked }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Keyspaces) != 1 || len(answer.Keyspaces[0].Done) != 1 || answer.Keyspaces[0].Done[0] != "translator" || answer.Keyspaces[0].After != 1 {
		t.Errorf("got %s", out)
	}
	for checked := false; !checked; {
		select {
		case checked = <-p.checks:
		default:
			t.Fatal("the command ended, and nothing was compared")
		}
	}
}

func TestRepairOfADerivedKeyspaceReachesItsWriter(t *testing.T) {
	p := newPlant(t)
	output := p.store.Derived("output/east")
	output.Set("a", []byte("right"))
	output.Complete()
	p.serveWith("translator", func(ctx context.Context, check bool) error {
		meta, err := p.store.Meta(ctx, "snapshot/east")
		if err == nil && check {
			err = output.Check(ctx, keyspace.Vector{"snapshot/east": meta.Position})
		}
		return err
	})
	bucket := func() (key string) {
		for b := range 64 {
			if key = keyspace.Name("output/east").BucketKey(b); p.client.HExists(t.Context(), key, "a").Val() {
				return key
			}
		}
		return ""
	}
	p.eventually("an output", func() bool { return bucket() != "" })
	if err := p.client.HDel(t.Context(), bucket(), "a").Err(); err != nil {
		t.Fatal(err)
	}
	if out, _ := p.cli(0, "pipeline", "repair", "output/east"); !strings.Contains(out, "1 → 2") || !strings.Contains(out, "translator") {
		t.Errorf("got\n%s", out)
	}
	if bucket() == "" {
		t.Error("what was lost is not repaired")
	}
}

func TestRepairSaysWhoHasNotAnswered(t *testing.T) {
	p := newPlant(t)
	if err := p.client.XGroupCreate(t.Context(), keyspace.Name("snapshot/east").EventsKey(), "translator", "$").Err(); err != nil {
		t.Fatal(err)
	}
	p.serve("ui") // it has, and stands behind the other one in the list
	out, notes := p.cli(1, "pipeline", "repair", "snapshot/east", "--timeout", "1s", "-o", "json")
	var answer struct{ Keyspaces []asked }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	one := answer.Keyspaces[0]
	if !slices.Equal(one.Open, []string{"translator"}) || !slices.Equal(one.Done, []string{"ui"}) || !strings.Contains(notes, "1 keyspace waits for a service") {
		t.Errorf("got %s%s", out, notes)
	}
	if lag, _ := p.cli(0, "pipeline", "lag", "--all"); !strings.Contains(lag, "translator") {
		t.Errorf("got %s", lag)
	}
}

func TestDeadLettersAreGroupedShownReplayedAndDropped(t *testing.T) {
	p := newPlant(t)
	p.serve("translator")
	events := keyspace.Name("snapshot/east").EventsKey()
	spoil := func(fields ...string) {
		if err := p.client.XAdd(t.Context(), &redis.XAddArgs{Stream: events, Values: fields}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		spoil("_watermill_message_uuid", fmt.Sprint(i), "metadata", "\x80", "payload", fmt.Sprintf(`{"v":%d}`, 70+i))
	}
	spoil("what", "ever")
	read := func() (found struct{ Piles []pile }) {
		out, _ := p.cli(0, "pipeline", "dead-letters", "ls", "-o", "json")
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	total := func() (n int) {
		for _, pile := range read().Piles {
			n += pile.Count
		}
		return n
	}
	p.eventually("four dead letters", func() bool { return total() == 4 })
	found := read().Piles
	if len(found) != 2 || found[0].Count != 3 || found[0].Class != "permanent" || found[1].Class != "undecodable" || found[0].Keyspaces[0] != "snapshot/east" {
		t.Fatalf("got %+v, want three that differ by a number in one pile, and one other", found)
	}
	shown, _ := p.cli(0, "pipeline", "dead-letters", "show", found[0].IDs[0])
	for _, want := range []string{"class: permanent", "attempts: 1", "v: 7", "snapshot/east", "is not known, want 1"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	if _, notes := p.cli(2, "pipeline", "dead-letters", "drop", "--all"); total() != 4 || !strings.Contains(notes, "--yes") {
		t.Errorf("dropped without --yes: %s", notes)
	}
	before := p.client.XLen(t.Context(), events).Val()
	p.cli(0, "pipeline", "dead-letters", "replay", "--all", "--class", "undecodable")
	if after := p.client.XLen(t.Context(), events).Val(); after != before+1 {
		t.Errorf("the stream has %d entries, want one more than %d", after, before)
	}
	p.eventually("it to be given up again", func() bool { return total() == 4 })
	p.cli(0, "pipeline", "dead-letters", "drop", found[0].IDs[0], found[0].IDs[1], "--yes")
	p.cli(0, "pipeline", "dead-letters", "drop", "--all", "--group", "translator", "--yes")
	if n := total(); n != 0 {
		t.Errorf("%d are left", n)
	}
	p.cli(1, "pipeline", "dead-letters", "show", found[0].IDs[0])
	p.cli(2, "pipeline", "dead-letters", "ls", "--group", "nobody")
}

func TestAnEntryThatTwoGroupsGaveUpOnIsNamedWithItsGroup(t *testing.T) {
	letters := []letter{
		{DeadLetter: stream.DeadLetter{ID: "1764-0", Group: "translator"}},
		{DeadLetter: stream.DeadLetter{ID: "1764-0", Group: "ui"}},
		{DeadLetter: stream.DeadLetter{ID: "1765-0", Group: "ui"}},
	}
	if got, err := named(letters, []string{"ui/1764-0", "1765-0"}); err != nil || len(got) != 2 || got[0].id() != "ui/1764-0" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := named(letters, []string{"1764-0"}); err == nil || !strings.Contains(err.Error(), "translator/1764-0, ui/1764-0") {
		t.Errorf("got %v, %v, want an error that names both", got, err)
	}
}

func TestCompletionAsksTheRedisOfTheEnvironmentAndWaitsASecondAtMost(t *testing.T) {
	p := newPlant(t)
	p.serve("translator")
	if err := p.client.XAdd(t.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey("translator"), Values: []string{"what", "ever"}}).Err(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESHWEIR_REDIS_CONTROL", p.url)
	commands := map[string]string{"diff": "east\n", "pipeline status": "snapshot/east\n", "pipeline dead-letters show": "translator/"}
	for command, want := range commands {
		if out, _ := cli(t, 0, append(append([]string{"__complete"}, strings.Fields(command)...), "")...); !strings.Contains(out, want) {
			t.Errorf("%s: got %q, want %q", command, out, want)
		}
	}
	p.server.Pause()
	defer p.server.Continue()
	for command := range commands {
		begin := time.Now()
		out, notes := cli(t, 0, append(append([]string{"__complete"}, strings.Fields(command)...), "")...)
		if took := time.Since(begin); took > 4*time.Second || strings.Contains(out+notes, "snapshot/") || strings.Contains(notes, "level=") {
			t.Errorf("%s, of a Redis that hangs: after %s got %q and %q", command, took, out, notes)
		}
	}
}

// lines collects what a command prints while it runs.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestTailFollowsEventsAlsoOfKeyspacesThatComeLater(t *testing.T) {
	p := newPlant(t)
	ctx, stop := context.WithCancel(t.Context())
	var out lines
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"pipeline", "tail", "-n", "1", "--redis-control", p.url}, &out, &out)
	}()
	p.eventually("the last event", func() bool { return strings.Contains(out.String(), "+a") })
	p.write("b")
	p.eventually("an event", func() bool { return strings.Contains(out.String(), "r2 ") && strings.Contains(out.String(), "+b") })
	west := p.store.Owned("snapshot/west", "uid")
	west.Set("c", []byte("1"))
	if err := west.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.eventually("a keyspace that came later", func() bool {
		return strings.Contains(out.String(), "snapshot/west") && strings.Contains(out.String(), "+c")
	})
	stop()
	if code := <-done; code != 0 || strings.Count(out.String(), "+a") != 1 {
		t.Errorf("exit code %d: %s", code, &out)
	}
	p.cli(2, "pipeline", "tail", "north")
}

func TestCheckHasAnExitCode(t *testing.T) {
	p := newPlant(t)
	out, _ := p.cli(1, "check", "-o", "json")
	var answer struct{ Checks []verdict }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Checks) < 5 {
		t.Errorf("%v: %s", err, out)
	}
	cli(t, 2, "check", "--redis-control", "nonsense")
	p.cli(2, "check", "-o", "xml")
	if status, _ := p.cli(0, "pipeline", "status", "east", "--sizes"); !strings.Contains(status, "snapshot/east  1") {
		t.Errorf("got %s", status)
	}
	nowhere := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	for _, timeout := range []string{"5s", "1ns"} {
		out, _ := cli(t, 1, "check", "--redis-control", nowhere, "--timeout", timeout, "-o", "json")
		var answer struct{ Checks []verdict }
		if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Checks) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		if v := answer.Checks[0]; v.Level != levelFail || v.Of != "redis" || !strings.Contains(v.Says, "reaching unix://") || !strings.Contains(v.Mend, "--redis-control") {
			t.Errorf("with --timeout %s: got %+v", timeout, v)
		}
	}
	nobody := p.server.User("nobody", "+ping", "+client")
	if out, _ := cli(t, 1, "check", "--redis-control", nobody, "-o", "json"); !strings.Contains(out, "NOPERM") || !strings.Contains(out, "the user and the password") {
		t.Errorf("of a user that may not look: got %s", out)
	}
	p.client.Do(t.Context(), "acl", "log", "reset") // it was to be refused
}

func TestAClusterNamesItsViewsToo(t *testing.T) {
	names := []keyspace.Name{"snapshot/east", "snapshot/northeast", "view/clusters", "view/history.east", "view/resources.east"}
	got, err := selected(names, []string{"east"})
	if want := []keyspace.Name{"snapshot/east", "view/history.east", "view/resources.east"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
