package scale

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	const commands = "github.com/meshweir/meshweir/services/cmd/"
	os.Exit(program.Main(m, &binaries, commands+"agent", commands+"translator"))
}

// patience is how long anything may take.
const patience = 5 * time.Minute

// BenchmarkFleet starts a fleet from nothing, then changes it.
func BenchmarkFleet(b *testing.B) {
	pipelinetest.Require(b, "redis")
	for range b.N {
		f := newFleet(b)
		server := pipelinetest.RealServer(b)
		w := watch(b, f, server.Client())
		began := time.Now()
		used := newCPU(b, server.Client())
		run := func(command, name string, args ...string) {
			started := program.Start(b, program.Config{Path: filepath.Join(binaries, command), Log: filepath.Join(b.TempDir(), name+".log"), Args: append(args, "--redis-control", server.URL())})
			used.programs[command] = append(used.programs[command], started)
		}
		for i := range 2 {
			run("translator", fmt.Sprint("translator-", i))
		}
		for c := range clusters {
			run("agent", "agent-"+name(c), "--cluster", name(c), "--clusters", f.dir)
		}
		objects, last := w.untilRest(5 * time.Second)
		b.Logf("from nothing: %d objects applied, the last after %.1f s", objects, last.Sub(began).Seconds())
		b.Log(used.since())
		b.ReportMetric(last.Sub(began).Seconds(), "s-from-nothing")

		floor := hops(b, server.Client())
		b.Logf("floor, XADD to a blocked XREAD: %s", ms(floor))
		n := 0
		for _, change := range []struct {
			what             string
			outputs, samples int
			kind             string // of the objects that follow
			make             func(version int)
		}{
			{"a route's weight", 1, 40, "VirtualService", func(v int) { f.route(v%clusters, 1+2*(v%(routes()/2)), 10+v) }},
			{"a GlobalService's outlier detection", clusters, 40, "DestinationRule", func(v int) { f.globalService(0, v%globals(), 6+v) }},
			{"the address of an east-west gateway", clusters * globals(), 10, "ServiceEntry", func(v int) { f.gateway(0, 2+v%250) }},
		} {
			var event, output, applied []time.Duration
			used.since()
			for range change.samples {
				n++
				w.forget()
				start := time.Now()
				change.make(n)
				s := w.change(change.kind, change.outputs)
				event, output, applied = append(event, s.event.Sub(start)), append(output, s.output.Sub(s.event)), append(applied, s.applied.Sub(start))
				<-time.After(300 * time.Millisecond) // what was applied comes back into the snapshots
			}
			b.Logf("%s, %d objects of outputs; file to event: %s; event to output: %s; file to applied: %s", change.what, change.outputs, ms(event), ms(output), ms(applied))
			b.Log(used.since())
			unit := fmt.Sprintf("ms-p99-%d", change.outputs)
			b.ReportMetric(milliseconds(pipelinetest.Quantile(output, 0.99)), unit+"-output")
			b.ReportMetric(milliseconds(pipelinetest.Quantile(applied, 0.99)), unit+"-applied")
			b.ReportMetric(float64(pipelinetest.Quantile(output, 0.5))/float64(pipelinetest.Quantile(floor, 0.5)), fmt.Sprintf("floors-%d-output", change.outputs))
		}
	}
}

// hops measures what one event costs at least: from XADD to a client that waits in XREAD.
func hops(b *testing.B, client redis.UniversalClient) (samples []time.Duration) {
	b.Helper()
	got := make(chan time.Time)
	go func() {
		defer close(got)
		for last, i := "0", 0; i < 100; i++ {
			found, err := client.XRead(b.Context(), &redis.XReadArgs{Streams: []string{"floor", last}, Block: patience}).Result()
			if err != nil {
				return
			}
			last = found[0].Messages[len(found[0].Messages)-1].ID
			got <- time.Now()
		}
	}()
	for range 100 {
		start := time.Now()
		if err := client.XAdd(b.Context(), &redis.XAddArgs{Stream: "floor", Values: []string{"a", "b"}}).Err(); err != nil {
			b.Fatal(err)
		}
		at, ok := <-got
		if !ok {
			b.Fatal("the floor's reader ended")
		}
		samples = append(samples, at.Sub(start))
	}
	client.Del(b.Context(), "floor")
	return samples
}

// watcher sees events of snapshots and outputs, and what is applied.
type watcher struct {
	b    *testing.B
	seen chan sighting
}

// sighting is one thing that was seen.
type sighting struct {
	at   time.Time
	step step
	keys []string
}

type step int

const (
	snapshotted step = iota
	outputted
	applied
)

func watch(b *testing.B, f *fleet, client redis.UniversalClient) *watcher {
	b.Helper()
	w := &watcher{b: b, seen: make(chan sighting, 1<<16)}
	files, err := fsnotify.NewBufferedWatcher(1 << 16)
	if err != nil {
		b.Fatal(err)
	}
	streams := map[string]step{}
	for c := range clusters {
		folder := filepath.Join(f.dir, "applied", name(c))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := files.Add(folder); err != nil {
			b.Fatal(err)
		}
		streams[keyspace.Name("snapshot/"+name(c)).EventsKey()] = snapshotted
		streams[keyspace.Name("output/"+name(c)).EventsKey()] = outputted
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	b.Cleanup(func() { stop(); <-ended; files.Close() })
	go func() {
		for event := range files.Events {
			if file := filepath.Base(event.Name); event.Has(fsnotify.Create) && strings.HasSuffix(file, ".yaml") && !strings.HasPrefix(file, ".") {
				w.seen <- sighting{time.Now(), applied, []string{event.Name}}
			}
		}
	}()
	go func() {
		defer close(ended)
		w.follow(ctx, client, streams)
	}()
	return w
}

// follow reads events until ctx ends.
func (w *watcher) follow(ctx context.Context, client redis.UniversalClient, streams map[string]step) {
	last := map[string]string{}
	for stream := range streams {
		last[stream] = "0"
	}
	for {
		var names, ids []string
		for stream, id := range last {
			names, ids = append(names, stream), append(ids, id)
		}
		found, err := client.XRead(ctx, &redis.XReadArgs{Streams: append(names, ids...), Block: time.Second}).Result()
		now := time.Now()
		if ctx.Err() != nil {
			return
		}
		if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
			w.b.Errorf("following events: %v", err)
			return
		}
		for _, stream := range found {
			for _, entry := range stream.Messages {
				last[stream.Stream] = entry.ID
				event, _, err := keyspace.DecodeEvent(entry)
				if err != nil {
					continue
				}
				keys := event.Set
				for i := range keys {
					keys[i] = event.Keyspace + "/" + keys[i]
				}
				w.seen <- sighting{now, streams[stream.Stream], keys}
			}
		}
	}
}

// untilRest waits until nothing was seen for a while, and returns how many objects were applied, and when the last of them.
func (w *watcher) untilRest(quiet time.Duration) (n int, last time.Time) {
	w.b.Helper()
	objects := map[string]bool{}
	for {
		select {
		case s := <-w.seen:
			if s.step == applied {
				objects[s.keys[0]] = true
				last = s.at
			}
		case <-time.After(quiet):
			if len(objects) > 0 {
				return len(objects), last
			}
		}
	}
}

// forget drops what is left of earlier changes: their objects came back into the snapshots.
func (w *watcher) forget() {
	for len(w.seen) > 0 {
		<-w.seen
	}
}

// steps are when the steps of one change were done.
type steps struct{ event, output, applied time.Time }

// change waits until n objects of a kind are in outputs and applied.
func (w *watcher) change(kind string, n int) (s steps) {
	w.b.Helper()
	out, done := map[string]bool{}, map[string]bool{}
	deadline := time.After(patience)
	for len(done) < n {
		select {
		case seen := <-w.seen:
			if seen.step == snapshotted && s.event.IsZero() {
				s.event = seen.at
			}
			for _, key := range seen.keys {
				switch {
				case seen.step == outputted && strings.Contains(key, "/"+kind+".") && !out[key]:
					out[key], s.output = true, seen.at
				case seen.step == applied && strings.HasPrefix(filepath.Base(key), kind+"."):
					done[key], s.applied = true, seen.at
				}
			}
		case <-deadline:
			w.b.Fatalf("%d objects of outputs and %d files came of the change, want %d", len(out), len(done), n)
		}
	}
	if len(out) != n {
		w.b.Fatalf("%d objects of outputs came of the change, want %d", len(out), n)
	}
	return s
}

// ms prints quantiles and all samples, in milliseconds.
func ms(samples []time.Duration) string {
	var all []string
	for _, s := range samples {
		all = append(all, fmt.Sprintf("%.3g", milliseconds(s)))
	}
	return fmt.Sprintf("p50 %.3g, p99 %.3g ms: %s", milliseconds(pipelinetest.Quantile(samples, 0.5)), milliseconds(pipelinetest.Quantile(samples, 0.99)), strings.Join(all, " "))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
