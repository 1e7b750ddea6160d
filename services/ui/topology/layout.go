package topology

import (
	"fmt"
	"slices"
)

// Measures of a layout, in CSS pixels.
const (
	nodeWidth   = 232
	nodeHeight  = 48
	rowGap      = 12
	columnGap   = 60
	framePad    = 16
	frameHead   = 44
	frameGap    = 24
	headsHeight = 32
)

// Layout is where everything of a graph stands.
type Layout struct {
	Width, Height int
	Heads         []Head
	Frames        []Frame
	Boxes         []Box
	Lines         []Line
}

// Head is the title of a column.
type Head struct {
	Title string
	X, Y  int
}

// Frame is a rectangle around the nodes of a cluster.
type Frame struct {
	Cluster
	X, Y, Width, Height int
}

// Box is a node and its upper left corner.
type Box struct {
	*Node
	X, Y, Width, Height int
}

// Line is an edge, as a path of SVG, and where its label stands.
type Line struct {
	*Edge
	Path           string
	LabelX, LabelY int
}

// Layout gives every node its place: in the frame of its cluster, in its column,
// and on the line of the first node that leads to it, in the order of their names.
// That first way makes a forest; each of its trees has lines of its own, so that no
// two nodes meet. The other ways are drawn across.
func (g Graph) Layout() Layout {
	l := Layout{Width: 2*framePad + int(columns)*nodeWidth + (int(columns)-1)*columnGap}
	for c := range columns {
		l.Heads = append(l.Heads, Head{c.String(), left(c), headsHeight - 12})
	}
	forest := newForest(g)
	y := headsHeight
	for _, cluster := range g.Clusters {
		frame := Frame{Cluster: cluster, X: 0, Y: y, Width: l.Width}
		rows := 0
		for _, n := range g.Nodes {
			if n.Cluster == cluster.Name && !forest.reached[n.ID] {
				rows = forest.place(n, rows, y+frameHead)
			}
		}
		frame.Height = frameHead + rows*(nodeHeight+rowGap) - rowGap + framePad
		l.Frames = append(l.Frames, frame)
		y += frame.Height + frameGap
	}
	l.Height = y - frameGap
	if len(g.Clusters) == 0 {
		l.Height = headsHeight
	}
	for _, n := range g.Nodes {
		l.Boxes = append(l.Boxes, Box{n, left(n.Column), forest.y[n.ID], nodeWidth, nodeHeight})
	}
	for _, e := range g.Edges {
		l.Lines = append(l.Lines, forest.line(e))
	}
	return l
}

func left(c Column) int { return framePad + int(c)*(nodeWidth+columnGap) }

// forest is the part of a graph that says where nodes stand.
type forest struct {
	nodes map[string]*Node
	// leads are the nodes of the same cluster that a node leads to, in order; reached are those that something leads to.
	leads   map[string][]*Node
	reached map[string]bool
	y       map[string]int
}

func newForest(g Graph) *forest {
	f := &forest{nodes: map[string]*Node{}, leads: map[string][]*Node{}, reached: map[string]bool{}, y: map[string]int{}}
	order := map[string]int{}
	for i, n := range g.Nodes {
		f.nodes[n.ID] = n
		order[n.ID] = i
	}
	for _, e := range g.Edges {
		from, to := f.nodes[e.From], f.nodes[e.To]
		if from.Cluster == to.Cluster && from.Column < to.Column {
			f.leads[from.ID] = append(f.leads[from.ID], to)
			f.reached[to.ID] = true
		}
	}
	for _, to := range f.leads {
		slices.SortFunc(to, func(a, b *Node) int { return order[a.ID] - order[b.ID] })
	}
	return f
}

// place puts a node, and what it leads to and has no place yet, on the lines from row on. It returns the first line below.
func (f *forest) place(n *Node, row, top int) (next int) {
	f.y[n.ID] = top + row*(nodeHeight+rowGap)
	next = row
	for _, to := range f.leads[n.ID] {
		if _, placed := f.y[to.ID]; !placed {
			next = f.place(to, next, top)
		}
	}
	return max(next, row+1)
}

// line draws an edge from the right side of one node to the left side of the other.
func (f *forest) line(e *Edge) Line {
	from, to := f.nodes[e.From], f.nodes[e.To]
	x1, y1 := left(from.Column)+nodeWidth, f.y[e.From]+nodeHeight/2
	x2, y2 := left(to.Column), f.y[e.To]+nodeHeight/2
	if y1 == y2 {
		return Line{Edge: e, Path: fmt.Sprintf("M%d %dH%d", x1, y1, x2), LabelX: x2 - columnGap/2, LabelY: y2 - 5}
	}
	// It turns just before its end, so that it crosses the columns between on the line where it began.
	turn := x2 - columnGap
	return Line{
		Edge: e, LabelX: x2 - columnGap/4, LabelY: y2 - 5,
		Path: fmt.Sprintf("M%d %dH%dC%d %d %d %d %d %d", x1, y1, turn, turn+columnGap/2, y1, x2-columnGap/2, y2, x2, y2),
	}
}
