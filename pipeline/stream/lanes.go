package stream

import "sync"

// lanes serves entries in order within a lane, and lanes side by side. A lane is
// a goroutine that lives as long as its queue is not empty.
type lanes struct {
	serve func(*entry)
	// mu guards queues, which holds a lane, maybe empty, while its goroutine lives.
	mu     sync.Mutex
	queues map[string][]*entry
	wg     sync.WaitGroup
}

func newLanes(serve func(*entry)) *lanes {
	return &lanes{serve: serve, queues: map[string][]*entry{}}
}

// put queues entries; lane names the lane of each.
func (l *lanes) put(entries []*entry, lane func(*entry) string) {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = lane(e) // a function of the caller's: not under the lock
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range entries {
		queue, busy := l.queues[names[i]]
		l.queues[names[i]] = append(queue, e)
		if !busy {
			l.wg.Go(func() { l.work(names[i]) })
		}
	}
}

func (l *lanes) work(name string) {
	for {
		l.mu.Lock()
		queue := l.queues[name]
		if len(queue) == 0 {
			delete(l.queues, name)
			l.mu.Unlock()
			return
		}
		l.queues[name] = nil
		l.mu.Unlock()
		for _, e := range queue {
			l.serve(e)
		}
	}
}

// wait returns when every lane is empty. Nothing may be put any more.
func (l *lanes) wait() { l.wg.Wait() }
