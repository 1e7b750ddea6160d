package clusters

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// sample is when the steps of one change were done. What is changed by hand has
// none in the middle.
type sample struct {
	start  time.Time // of kubectl
	change time.Time // the API server was asked for it
	event  time.Time // it is in the cluster's snapshot
	output time.Time // what follows is in the output of the proxy's cluster
	object time.Time // the API server there was asked to write it
	xds    time.Time // the proxy has it
}

func (s sample) toKubectl() float64 { return milliseconds(s.start, s.change) }
func (s sample) toEvent() float64   { return milliseconds(s.change, s.event) }
func (s sample) toOutput() float64  { return milliseconds(s.change, s.output) }
func (s sample) toObject() float64  { return milliseconds(s.change, s.object) }
func (s sample) toXDS() float64     { return milliseconds(s.change, s.xds) }

func milliseconds(from, to time.Time) float64 { return float64(to.Sub(from).Microseconds()) / 1000 }

// table has a line for each step; a benchmark shows no more than ten.
func table(ours, hand []sample) string {
	var text strings.Builder
	fmt.Fprintf(&text, "change to xDS: %.2f times by hand\n", ratio(ours, hand))
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ms\tp50\tmax\tsamples")
	row := func(name string, samples []sample, step func(sample) float64) {
		values := all(samples, step)
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\n", name, median(samples, step), slices.Max(values), values)
	}
	row("kubectl to change", ours, sample.toKubectl)
	row("change to event", ours, sample.toEvent)
	row("change to output", ours, sample.toOutput)
	row("change to object", ours, sample.toObject)
	row("change to xDS", ours, sample.toXDS)
	row("by hand: kubectl to change", hand, sample.toKubectl)
	row("by hand: change to xDS", hand, sample.toXDS)
	t.Flush()
	return text.String()
}

// ratio is how many times longer ours take from the change to the proxy.
func ratio(ours, hand []sample) float64 {
	return median(ours, sample.toXDS) / median(hand, sample.toXDS)
}

func median(samples []sample, step func(sample) float64) float64 {
	values := all(samples, step)
	slices.Sort(values)
	return values[len(values)/2]
}

func all(samples []sample, step func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = step(s)
	}
	return values
}
