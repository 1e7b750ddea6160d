package graph_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meshweir/meshweir/services/translator/graph"
)

// sheet is a graph over numbered cells: parity reads one cell, sum reads the parities of a range.
type sheet struct {
	g      *graph.Graph
	cells  map[int]int
	parity *graph.Query[int, int]
	sum    *graph.Query[[2]int, int]
	seen   map[[2]int]int
}

func newSheet() *sheet {
	s := &sheet{g: graph.New(), cells: map[int]int{}, seen: map[[2]int]int{}}
	same := func(a, b int) bool { return a == b }
	s.parity = graph.NewQuery(s.g, "parity", func(r *graph.Reader, cell int) int {
		r.Note(cell)
		return s.cells[cell] % 2
	}, same)
	s.sum = graph.NewQuery(s.g, "sum", func(r *graph.Reader, span [2]int) int {
		total := 0
		for cell := span[0]; cell < span[1]; cell++ {
			total += s.parity.Get(r, cell)
			if total == 3 { // reads fewer cells the more are odd
				break
			}
		}
		return total
	}, same)
	return s
}

func (s *sheet) set(cell, value int) {
	s.cells[cell] = value
	s.g.Changed(cell)
}

func (s *sheet) refresh() (told [][2]int) {
	s.sum.Refresh(func(span [2]int, total int) {
		s.seen[span] = total
		told = append(told, span)
	})
	return told
}

func TestComputesAgainOnlyWhatReadAChange(t *testing.T) {
	s := newSheet()
	s.sum.Watch([2]int{0, 3})
	s.sum.Watch([2]int{3, 6})
	s.refresh()
	before := s.g.Runs()

	s.set(4, 1)
	if told := s.refresh(); !slices.Equal(told, [][2]int{{3, 6}}) {
		t.Errorf("told of %v, want only {3 6}", told)
	}
	want := map[string]int{"parity": before["parity"] + 1, "sum": before["sum"] + 1}
	if got := s.g.Runs(); !maps.Equal(got, want) {
		t.Errorf("runs are %v, want %v", got, want)
	}
}

func TestAChangeStopsWhereItMakesNoDifference(t *testing.T) {
	s := newSheet()
	s.sum.Watch([2]int{0, 3})
	s.refresh()
	before := s.g.Runs()

	s.set(1, 2) // as even as before
	if told := s.refresh(); len(told) != 0 {
		t.Errorf("told of %v, want nothing", told)
	}
	want := map[string]int{"parity": before["parity"] + 1, "sum": before["sum"]}
	if got := s.g.Runs(); !maps.Equal(got, want) {
		t.Errorf("runs are %v, want %v", got, want)
	}
}

func TestWatchTellsOfAValueThatIsKnownAlready(t *testing.T) {
	s := newSheet()
	s.sum.Watch([2]int{0, 3})
	s.refresh()
	s.sum.Unwatch([2]int{0, 3})
	s.sum.Watch([2]int{0, 3})
	if told := s.refresh(); len(told) != 1 {
		t.Errorf("told of %v, want {0 3}", told)
	}
}

func TestDropsWhatNobodyReads(t *testing.T) {
	s := newSheet()
	s.sum.Watch([2]int{0, 100})
	s.sum.Watch([2]int{50, 150})
	s.refresh()
	s.sum.Unwatch([2]int{0, 100})
	s.refresh()
	if got := s.parity.Len(); got != 100 {
		t.Errorf("%d parities are remembered, want the 100 that are still read", got)
	}
	s.sum.Unwatch([2]int{50, 150})
	s.refresh()
	if s.parity.Len()+s.sum.Len()+s.g.Inputs() != 0 {
		t.Errorf("%d parities, %d sums and %d inputs are remembered, want none", s.parity.Len(), s.sum.Len(), s.g.Inputs())
	}
}

func TestEqualsComputingEverythingAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newSheet()
	watched := map[[2]int]bool{}
	for step := range 2000 {
		for range random.IntN(4) {
			s.set(random.IntN(20), random.IntN(5))
		}
		span := [2]int{random.IntN(20), random.IntN(20)}
		if random.IntN(3) == 0 {
			s.sum.Unwatch(span)
			delete(watched, span)
			delete(s.seen, span)
		} else {
			s.sum.Watch(span)
			watched[span] = true
		}
		s.refresh()

		fresh := newSheet()
		fresh.cells = s.cells
		for span := range watched {
			fresh.sum.Watch(span)
		}
		fresh.refresh()
		if !maps.Equal(s.seen, fresh.seen) {
			t.Fatalf("step %d: got %v, want %v", step, s.seen, fresh.seen)
		}
		if s.parity.Len() != fresh.parity.Len() || s.g.Inputs() != fresh.g.Inputs() {
			t.Fatalf("step %d: remembers %d parities and %d inputs, want %d and %d", step, s.parity.Len(), s.g.Inputs(), fresh.parity.Len(), fresh.g.Inputs())
		}
	}
}

func ExampleQuery() {
	prices := map[string]int{"tea": 3, "bread": 4}
	g := graph.New()
	bill := graph.NewQuery(g, "bill", func(r *graph.Reader, item string) string {
		r.Note(item)
		return fmt.Sprintf("%s: %d", item, prices[item])
	}, nil)
	bill.Watch("tea")
	print := func(_, line string) { fmt.Println(line) }
	bill.Refresh(print)
	prices["tea"] = 5
	g.Changed("tea")
	bill.Refresh(print)
	// Output:
	// tea: 3
	// tea: 5
}
