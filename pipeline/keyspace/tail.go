package keyspace

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// streamsAtOnce is how many streams one blocking read waits for; on a Redis
// Cluster one command reads one slot, so there it is one.
const streamsAtOnce = 64

// tailer keeps readers up to date: it lists them, then waits for their events,
// and checks now and then that none was missed.
type tailer struct {
	ctx   context.Context //nolint:containedctx // that of Run, which the goroutines below live in
	store *Store
	tell  func(context.Context, Name, *update)
	done  sync.WaitGroup

	mu    sync.Mutex
	tails []*tail
}

// tail is one goroutine and the readers that it alone touches.
type tail struct {
	*tailer
	readers []*reader
	// joining readers were not listed yet. Guarded by tailer.mu.
	joining []*reader
	size    int
}

func (t *tailer) start(ctx context.Context, store *Store, tell func(context.Context, Name, *update)) {
	t.ctx, t.store, t.tell = ctx, store, tell
}

func (t *tailer) wait() { t.done.Wait() }

// add starts to follow with a reader.
func (t *tailer) add(r *reader) {
	limit := streamsAtOnce
	if isCluster(t.store.client) {
		limit = 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tail := range t.tails {
		if tail.size < limit {
			tail.size++
			tail.joining = append(tail.joining, r)
			return
		}
	}
	t.tails = append(t.tails, t.own(r))
}

// own starts a tail for one reader. Call with mu held.
func (t *tailer) own(r *reader) *tail {
	tail := &tail{tailer: t, joining: []*reader{r}, size: 1}
	if t.ctx.Err() == nil { // else nobody waits for it any more
		t.done.Go(tail.run)
	}
	return tail
}

func (t *tail) run() {
	failures := 0
	var checked time.Time
	for t.ctx.Err() == nil {
		err := t.join()
		if err == nil {
			err = t.read()
		}
		if err == nil && time.Since(checked) >= t.store.cfg.Block {
			err = t.check()
			checked = time.Now()
		}
		if err == nil {
			if failures > 0 {
				t.store.log.InfoContext(t.ctx, "following again", "failures", failures)
			}
			failures = 0
			continue
		}
		if t.ctx.Err() != nil {
			return
		}
		if failures++; failures == 1 {
			t.store.log.WarnContext(t.ctx, "following is interrupted and will be tried again", "error", err)
		}
		_ = pause(t.ctx, failures) // the loop sees ctx
	}
}

// join lists the readers that are new.
func (t *tail) join() error {
	for {
		t.mu.Lock()
		if len(t.joining) == 0 {
			t.mu.Unlock()
			return nil
		}
		r := t.joining[0]
		t.mu.Unlock()
		u, err := r.sync(t.ctx)
		if refused(err) && t.shared() {
			t.leave(r)
			continue
		}
		if err != nil {
			return err
		}
		t.tell(t.ctx, r.name, u)
		t.readers = append(t.readers, r)
		t.mu.Lock()
		t.joining = slices.Delete(t.joining, 0, 1)
		t.mu.Unlock()
	}
}

func (t *tail) shared() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size > 1
}

// leave moves a reader that Redis refuses to a tail of its own, where it holds up nobody.
func (t *tail) leave(r *reader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.joining = slices.DeleteFunc(t.joining, func(j *reader) bool { return j == r })
	t.readers = slices.DeleteFunc(t.readers, func(j *reader) bool { return j == r })
	t.size--
	t.own(r)
}

// refused reports whether err is Redis' answer to what was asked of one keyspace, such as NOPERM.
func refused(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOPERM") }

// read waits for events and applies them.
func (t *tail) read() error {
	if len(t.readers) == 0 { // all have left, others may join
		return pause(t.ctx, 4)
	}
	streams := make([]string, 0, 2*len(t.readers))
	byKey := make(map[string]*reader, len(t.readers))
	for _, r := range t.readers {
		streams = append(streams, r.name.EventsKey())
		byKey[r.name.EventsKey()] = r
	}
	for _, r := range t.readers {
		streams = append(streams, r.lastID)
	}
	found, err := t.store.cfg.Blocking.XRead(t.ctx, &redis.XReadArgs{Streams: streams, Count: 256, Block: t.block()}).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if wrongType(err) {
		if err := t.check(); err != nil { // the writer mends the key; until then meta tells
			return err
		}
		return pause(t.ctx, 4)
	}
	if refused(err) && len(t.readers) > 1 {
		for _, r := range slices.Clone(t.readers) { // the answer does not say which
			t.leave(r)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, stream := range found {
		r := byKey[stream.Stream]
		u, err := r.follow(t.ctx, stream.Messages)
		if err != nil {
			return err
		}
		t.tell(t.ctx, r.name, u)
	}
	return nil
}

// block is shorter while there are readers that wait to join.
func (t *tail) block() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.joining) > 0 {
		return time.Millisecond
	}
	return t.store.cfg.Block
}

// check compares each meta with what the events led to: a stream that was deleted or
// trimmed, or a Redis that forgot, is silent.
func (t *tail) check() error {
	names := make([]Name, len(t.readers))
	for i, r := range t.readers {
		names[i] = r.name
	}
	metas, err := t.store.metas(t.ctx, names...)
	if err != nil {
		return err
	}
	for i, r := range t.readers {
		if metas[i].sameWrite(r.meta) {
			continue
		}
		u, err := r.sync(t.ctx)
		if err != nil {
			return err
		}
		t.tell(t.ctx, r.name, u)
	}
	return nil
}
