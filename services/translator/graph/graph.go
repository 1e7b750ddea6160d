// Package graph computes values that depend on one another, and computes a
// value again only when something that it read has changed.
//
// There are inputs, which live outside of the graph and are named by any
// comparable value, and queries: functions of a key that read inputs and other
// queries through a [Reader], which notes what they read. [Graph.Changed] says
// that an input is no longer what it was; everything that read it, directly or
// not, becomes doubtful. [Query.Refresh] settles the doubt: a doubtful value is
// computed again only if one of its reads really has another value than before,
// so that a change stops where it makes no difference. (The algorithm is the
// one of Salsa, the engine of rust-analyzer, with the doubt pushed ahead.)
//
// A query must be a pure function of its key and of what it reads, and queries
// must not read one another in a circle. A graph is not safe for concurrent use.
package graph

import "maps"

// Graph holds the values of its queries and what each was computed from.
type Graph struct {
	revision uint64
	inputs   map[any]*node
	orphans  []*node
	runs     map[string]int
}

// New returns an empty graph.
func New() *Graph {
	return &Graph{revision: 1, inputs: map[any]*node{}, runs: map[string]int{}}
}

// Changed says that input is no longer what it was. Nothing is computed yet.
func (g *Graph) Changed(input any) {
	n, ok := g.inputs[input]
	if !ok {
		return // nobody has read it
	}
	n.changed = g.revision
	n.doubt()
}

// Runs returns how often the functions of each query ran, by the query's name.
func (g *Graph) Runs() map[string]int {
	return maps.Clone(g.runs)
}

// Inputs returns the number of inputs that some computation has read.
func (g *Graph) Inputs() int { return len(g.inputs) }

// Reader notes what one computation reads.
type Reader struct {
	graph *Graph
	node  *node
}

// Note says that the computation reads input. It must be called before the
// input is looked at, also when the input turns out to be absent.
func (r *Reader) Note(input any) {
	n, ok := r.graph.inputs[input]
	if !ok {
		n = &node{graph: r.graph, changed: r.graph.revision}
		n.forget = func() { delete(r.graph.inputs, input) }
		r.graph.inputs[input] = n
	}
	r.node.read(n)
}

// node is an input or the value of a query.
type node struct {
	graph *Graph
	// changed is the revision at which the value last became another one.
	changed uint64
	// current is the revision at which the value was last known to be right.
	current uint64
	// doubtful says that something which the value was computed from may have changed, or that there is no value yet.
	// What read a doubtful node is doubtful too.
	doubtful bool
	// ran says that there is a value.
	ran bool
	// watched nodes are kept though nobody reads them, and are told of when they change.
	watched bool
	// dropped nodes are no longer part of the graph.
	dropped bool
	// mark is scratch space of relink.
	mark    *node
	reads   []*node
	readers map[*node]struct{}
	// compute computes the value of a query and reports whether it is another one; nil for an input.
	compute func(*Reader) bool
	// forget removes the node from where it is looked up.
	forget func()
	// doubted is called when a watched node becomes doubtful.
	doubted func()
}

func (n *node) read(dependency *node) {
	n.reads = append(n.reads, dependency)
	if dependency.readers == nil {
		dependency.readers = map[*node]struct{}{}
	}
	dependency.readers[n] = struct{}{}
}

// doubt makes everything doubtful that was computed from n.
func (n *node) doubt() {
	for reader := range n.readers {
		if reader.doubtful {
			continue
		}
		reader.doubtful = true
		if reader.watched {
			reader.doubted()
		}
		reader.doubt()
	}
}

// settle makes the value of n right for the present revision.
func (n *node) settle() {
	if !n.doubtful {
		return
	}
	if !n.ran {
		n.run()
		return
	}
	// In the order in which they were read: a later read may make sense only while an earlier one holds.
	for _, dependency := range n.reads {
		dependency.settle()
		if dependency.changed > n.current {
			n.run()
			return
		}
	}
	n.doubtful, n.current = false, n.graph.revision
}

func (n *node) run() {
	before := n.reads
	n.reads = nil
	different := n.compute(&Reader{n.graph, n})
	n.relink(before)
	n.doubtful, n.ran, n.current = false, true, n.graph.revision
	if different {
		n.changed = n.graph.revision
	}
}

// relink drops repeated reads, and lets go of what is no longer read.
func (n *node) relink(before []*node) {
	unique := n.reads[:0]
	for _, dependency := range n.reads {
		if dependency.mark != n {
			dependency.mark = n
			unique = append(unique, dependency)
		}
	}
	n.reads = unique
	for _, dependency := range before {
		if dependency.mark != n {
			dependency.release(n)
		}
	}
	for _, dependency := range n.reads {
		dependency.mark = nil
	}
}

func (n *node) release(reader *node) {
	delete(n.readers, reader)
	if len(n.readers) == 0 && !n.watched {
		n.graph.orphans = append(n.graph.orphans, n)
	}
}

// sweep drops what nobody reads or watches, and ends the revision.
func (g *Graph) sweep() {
	for len(g.orphans) > 0 {
		last := len(g.orphans) - 1
		n := g.orphans[last]
		g.orphans = g.orphans[:last]
		if n.dropped || n.watched || len(n.readers) > 0 {
			continue
		}
		n.dropped = true
		n.forget()
		for _, dependency := range n.reads {
			dependency.release(n)
		}
		n.reads = nil
	}
	g.revision++
}
