package work

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
)

// Config says whose work a [Worker] does.
type Config struct {
	// Group is the consumer group, and the service's name in dead letters and spans. Required.
	Group string
	// Kinds are the kinds of the keyspaces whose events ask for passes. Required.
	Kinds []string
	// Consumer names this process within the group, where its name survives a restart. Default: a name of its own.
	Consumer string
	// RepairEvery is how often, with jitter, everything is compared with what Redis holds. Default 30 s.
	RepairEvery time.Duration
	// WaitAtMost is how long an event waits to be followed before it is delivered again. Default 5 s.
	WaitAtMost time.Duration
	// Operation names the spans of passes. Default: the group's name and "pass".
	Operation string
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Follower is what a replica of a service follows. keyspace.Replica is one.
type Follower interface {
	Run(ctx context.Context) error
	Synced() <-chan struct{}
	WaitFor(ctx context.Context, name keyspace.Name, p keyspace.Position, entryID string) error
	Told() keyspace.Vector
}

// Pass computes from the followed state what changed since the last pass and
// writes it; with check it compares everything that it should have written with what is stored, and
// repairs. ctx carries the span of the pass. It returns [keyspace.ErrStale] when
// others have written from newer state: it is called again once that is followed too.
type Pass func(ctx context.Context, check bool) error

// Clients are the Redis clients of a worker; they stay the caller's to close.
type Clients struct {
	// Commands runs commands, Blocking reads that wait.
	Commands, Blocking redis.UniversalClient
}

// Worker does one replica's share.
type Worker struct {
	log     *slog.Logger
	store   *keyspace.Store
	clients Clients
	follows Follower
	pass    Pass
	cfg     Config

	mu sync.Mutex // guards what follows
	// next is the pass that has not begun yet; nil for none asked for.
	next *round
	// worked is what the last pass that succeeded had been told of.
	worked keyspace.Vector
	// notes are the changes that no pass has begun to work on, whoever gets their events.
	notes []telemetry.Cause
	// asked wakes the loop that makes the passes.
	asked chan struct{}
	// noted tells that loop of a change whose event another replica may get.
	noted chan struct{}
}

// round is one pass that was asked for, by many events perhaps.
type round struct {
	causes []telemetry.Cause
	check  bool // somebody asked that everything be compared
	done   chan struct{}
	err    error // set before done is closed
}

// New returns a worker that works once Run runs.
func New(log *slog.Logger, store *keyspace.Store, clients Clients, follows Follower, pass Pass, cfg Config) (*Worker, error) {
	cfg.RepairEvery = cmp.Or(cfg.RepairEvery, 30*time.Second)
	cfg.WaitAtMost = cmp.Or(cfg.WaitAtMost, 5*time.Second)
	cfg.Operation = cmp.Or(cfg.Operation, cfg.Group+".pass")
	if cfg.Tracer == nil {
		cfg.Tracer = tracenoop.Tracer{}
	}
	if cfg.Meter == nil {
		cfg.Meter = metricnoop.Meter{}
	}
	if cfg.Group == "" || len(cfg.Kinds) == 0 {
		return nil, errors.New("making a worker: Group or Kinds is missing")
	}
	if cfg.RepairEvery < 0 || cfg.WaitAtMost < 0 {
		return nil, fmt.Errorf("making a worker: a time is negative: RepairEvery %s, WaitAtMost %s", cfg.RepairEvery, cfg.WaitAtMost)
	}
	w := &Worker{log: log, store: store, clients: clients, follows: follows, pass: pass, cfg: cfg, asked: make(chan struct{}, 1), noted: make(chan struct{}, 1)}
	if err := w.measure(); err != nil {
		return nil, fmt.Errorf("making a worker: %w", err)
	}
	return w, nil
}

// Run works until ctx ends. The events in hand are then finished.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What handlers stand on outlives them.
	standing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	var failure error // read after Wait
	running.Go(func() {
		if failure = w.follows.Run(standing); failure != nil {
			cancel()
		}
	})
	select {
	case <-w.follows.Synced():
		running.Go(func() { w.passes(standing) })
		w.consume(ctx)
	case <-ctx.Done():
	}
	stop()
	running.Wait()
	if failure != nil {
		return fmt.Errorf("following what %s works on: %w", w.cfg.Group, failure)
	}
	return nil
}

// Ask asks for a pass, because of what no event tells of: a keyspace that
// vanished, or was listed again. Spans of the pass have the causes as parent and links.
func (w *Worker) Ask(causes ...telemetry.Cause) { w.ask(false, causes...) }

func (w *Worker) ask(check bool, causes ...telemetry.Cause) *round {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = &round{done: make(chan struct{})}
	}
	w.next.causes, w.next.check = append(w.next.causes, causes...), w.next.check || check
	select {
	case w.asked <- struct{}{}:
	default:
	}
	return w.next
}

// Note says that the followed state changed, and by which writes. Whoever gets the event, this replica
// makes a pass of its own soon: the other one may have written from an older state
// after this one was asked, or have ended before it wrote.
func (w *Worker) Note(causes ...telemetry.Cause) {
	const most = 128 // a replica that was away for long has more than anybody reads
	w.mu.Lock()
	w.notes = append(w.notes, causes...)
	w.notes = w.notes[:min(len(w.notes), most)]
	w.mu.Unlock()
	select {
	case w.noted <- struct{}{}:
	default:
	}
}

// commit waits for a pass that begins from now on, and returns its error.
func (w *Worker) commit(ctx context.Context, check bool) error {
	r := w.ask(check, telemetry.CauseOf(ctx))
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passes makes one pass after the other, as they are asked for, and repairs: at
// once, every now and then, and soon after a pass that failed.
func (w *Worker) passes(ctx context.Context) {
	const afterFailure, noteDelay = time.Second, 500 * time.Millisecond
	repair := time.NewTimer(0)
	defer repair.Stop()
	trouble := trouble{log: w.log.With("group", w.cfg.Group)}
	var late <-chan time.Time
	checked := false // before everything was staged once, nothing may be taken for gone
	for {
		check := !checked
		select {
		case <-w.asked:
		case <-w.noted:
			if late == nil {
				late = time.After(jittered(noteDelay))
			}
			continue
		case <-late:
			late = nil
		case <-repair.C:
			check = true
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		r, notes := w.next, w.notes
		w.next, w.notes = nil, nil
		w.mu.Unlock()
		check = check || r != nil && r.check
		told := w.follows.Told()
		working, end := w.begin(ctx, check, r, notes)
		err := w.make(working, check)
		end(err)
		if err == nil {
			w.mu.Lock()
			w.worked = told
			w.mu.Unlock()
		}
		if r != nil {
			r.err = err
			close(r.done)
		}
		checked = checked || check
		if ctx.Err() == nil {
			trouble.note(ctx, err, time.Now())
		}
		switch {
		case err != nil && ctx.Err() == nil:
			repair.Reset(jittered(afterFailure))
		case check:
			repair.Reset(jittered(w.cfg.RepairEvery))
		}
	}
}

// make makes a pass, again for a while when others have written from newer state:
// it is followed here soon, too.
func (w *Worker) make(ctx context.Context, check bool) error {
	const most = 2 * time.Second // then others get their turn, and repair comes back to this
	for pause, waited := 5*time.Millisecond, time.Duration(0); ; pause = min(2*pause, most/4) {
		err := w.pass(ctx, check)
		if !errors.Is(err, keyspace.ErrStale) || waited >= most {
			return err
		}
		waited += pause
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// jittered spreads the repairs of several replicas.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }
