package agent

import (
	"sync"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// publications remembers since when the snapshot holds what Meshweir applied. An
// output that was computed from an older snapshot says nothing about it.
type publications struct {
	mu sync.Mutex // guards all
	// delivered are the marks of the objects that the source saw, and that wait to be written.
	delivered map[resource.Key]string
	written   map[resource.Key]publication
}

// publication says that an object with a mark is in the snapshot from a position on.
type publication struct {
	mark string
	at   keyspace.Position
}

func newPublications() *publications {
	return &publications{delivered: map[resource.Key]string{}, written: map[resource.Key]publication{}}
}

// deliver notes what the source saw.
func (p *publications) deliver(d snapshot.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range d.Deleted {
		delete(p.delivered, key)
		delete(p.written, key)
	}
	for _, object := range d.Set {
		if mark := resource.AppliedFrom(object.Value); mark != "" {
			p.delivered[object.Key] = mark
		}
	}
}

// write notes that the snapshot, as it stands at a position, holds all that was delivered.
func (p *publications) write(at keyspace.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, mark := range p.delivered {
		p.written[key] = publication{mark, at}
	}
	clear(p.delivered)
}

// covers reports whether a snapshot at a position holds an object with its mark.
func (p *publications) covers(at keyspace.Position, key resource.Key, mark string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.written[key]
	return ok && found.mark == mark && at.Compare(found.at) >= 0
}
