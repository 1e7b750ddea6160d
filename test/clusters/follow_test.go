package clusters

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/test/ads"
)

// proxy is what an istiod gives a proxy that does not run.
type proxy struct {
	mu     sync.Mutex
	state  ads.State
	awaits func(ads.State) bool
	came   chan time.Time // when what is awaited came
}

// follow follows what an istiod gives a gateway until the test ends.
func follow(t testing.TB, address string, node ads.Node) *proxy {
	t.Helper()
	p := &proxy{came: make(chan time.Time, 1)}
	// Not the test's context, which ends before the cleanups.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ads.Follow(ctx, address, node, p.take) }()
	t.Cleanup(func() {
		t.Helper()
		broke := len(ended) > 0
		cancel()
		if err := <-ended; broke {
			t.Error(err)
		}
	})
	return p
}

func (p *proxy) take(s ads.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
	if p.awaits != nil && p.awaits(s) {
		p.came <- time.Now()
		p.awaits = nil
	}
}

// await returns a channel that says when what the proxy has is first as wanted.
// One thing is awaited at a time.
func (p *proxy) await(wanted func(ads.State) bool) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaits = wanted
	return p.came
}

// has returns what the proxy has now.
func (p *proxy) has() ads.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// keyspaceLog is what a follower of keyspaces was told.
type keyspaceLog struct {
	mu   sync.Mutex
	told []told
}

type told struct {
	at   time.Time
	name keyspace.Name
	key  string
}

// followKeyspaces follows keyspaces until the test ends.
func followKeyspaces(t testing.TB, store *keyspace.Store, names ...keyspace.Name) *keyspaceLog {
	t.Helper()
	log := &keyspaceLog{}
	replica, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[struct{}]{
		Names: names, Decode: func(string, []byte) (struct{}, error) { return struct{}{}, nil }, OnChange: log.take,
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not the test's context, which ends before the cleanups.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- replica.Run(ctx) }()
	t.Cleanup(func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-replica.Synced()
	return log
}

func (l *keyspaceLog) take(e keyspace.Event[struct{}]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, change := range e.Changes {
		l.told = append(l.told, told{time.Now(), e.Name, change.Key})
	}
}

// first returns when a key that begins so was first told of after a time; the
// zero time while it was not.
func (l *keyspaceLog) first(after time.Time, name keyspace.Name, prefix string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, told := range l.told {
		if told.at.After(after) && told.name == name && strings.HasPrefix(told.key, prefix) {
			return told.at
		}
	}
	return time.Time{}
}
