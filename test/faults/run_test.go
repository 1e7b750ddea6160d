package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// changesAtOnce is how many manifests change together, at most, in a short course. A long one is no longer for it: of
	// it they are a hundredth, and not more than a third of all manifests.
	changesAtOnce = 12
	// calmEvery is how often nothing is harmed.
	calmEvery = 4
)

// course is what a run goes through.
type course struct {
	*system
	// services is the folder of their binaries, sabotage the mistake that they are to make.
	services, sabotage string
	clusters, changes  int
	seed               uint64
	faults             []fault
	// patience is how long the fleet may take to converge once all harm is undone, and other things to come right.
	patience time.Duration
	// out gets a line for each round, and the result.
	out io.Writer

	began time.Time
	// made counts the changes so far, counts the faults.
	made   int
	counts map[string]int
	deck   []fault
	// moments are what the manifests asked for since the fleet last converged, and then.
	moments []moment
	// recoveries are the rounds that took longest to converge.
	recoveries []recovery
}

// run goes through a whole course and returns why the verdict is red; "" for green.
func run(t *testing.T, c course) (red string) {
	t.Helper()
	c.began, c.counts = time.Now(), map[string]int{}
	f := newFleet(t.ArtifactDir(), c.clusters, c.seed)
	c.system = start(t, c.services, f, variable+"="+c.sabotage)
	c.system.patience = c.patience
	wanted, err := ask(f.good)
	if err != nil {
		t.Fatal(err)
	}
	c.moments = []moment{{time.Now(), wanted}}
	if red := firstOf(func() string { return c.converge("from nothing") }, c.rest, c.promise); red != "" {
		return red
	}
	before, err := c.footprints()
	if err != nil {
		t.Fatal(err)
	}
	for c.made < c.changes {
		if red := c.round(); red != "" {
			return red
		}
	}
	if red := firstOf(c.rest, c.owed, func() string { return c.grown(before) }, c.promise); red != "" {
		return red
	}
	c.say("%d clusters, %d changes, seed %d: %d writes and %d removals by agents", c.clusters, c.made, c.seed, c.recorder.writes, c.recorder.removals)
	for _, f := range c.faults {
		c.say("%4d x %s", c.counts[f.name], f.name)
	}
	for _, r := range c.recoveries {
		c.say("slowest: %.2f s, round %d: %s", r.took.Seconds(), r.round, r.after)
	}
	return ""
}

// firstOf looks at one thing after the other, and returns what is wrong with the first that is.
func firstOf(looks ...func() (red string)) (red string) {
	for _, look := range looks {
		if red = look(); red != "" {
			return red
		}
	}
	return ""
}

type recovery struct {
	took  time.Duration
	round int
	after string
}

// say prints a line, with the time since the start.
func (c *course) say(format string, args ...any) {
	fmt.Fprintf(c.out, "%8.1fs  %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

// round changes manifests while it does harm, and waits until every cluster has what it should have. It returns why the verdict is red.
func (c *course) round() (red string) {
	c.fleet.round++
	calm := c.fleet.round%calmEvery == 0
	var before map[string]float64
	if calm {
		var why string
		if before, why = c.quietLists(); why != "" {
			return why
		}
	}
	clear(c.busy)
	c.moments = c.moments[max(0, len(c.moments)-1):]
	random := c.fleet.random
	var faults []fault
	if !calm {
		faults = c.draw()
	}
	c.fleet.intact = slices.ContainsFunc(faults, func(f fault) bool { return f.forgets })
	var ends []func()
	var names []string
	survived := true
	bursts, most := 1+random.IntN(4), max(changesAtOnce, min(c.changes/100, len(c.fleet.items)/3))
	if random.IntN(2) == 0 { // one change alone: no other one brings it along, should it be lost
		bursts, most = 1, 1
	}
	for burst := range bursts {
		if n := min(1+random.IntN(most), c.changes-c.made); n > 0 {
			if red := c.change(n); red != "" {
				return red
			}
		}
		<-time.After(time.Duration(50+random.IntN(300)) * time.Millisecond)
		if burst > 0 {
			continue
		}
		for _, f := range faults { // while the first changes are on their way
			whom, end := f.begin(c.system)
			if end == nil {
				continue
			}
			c.counts[f.name]++
			names, ends, survived = append(names, f.name+" "+whom), append(ends, end), survived && f.survived
		}
	}
	what := cmp.Or(strings.Join(names, ", "), "calm")
	if survived && len(ends) == 1 {
		if red := c.converge(what + ", which lasts"); red != "" {
			return red
		}
	}
	<-time.After(time.Duration(random.IntN(1500)) * time.Millisecond * time.Duration(len(ends)))
	for _, end := range ends {
		end()
	}
	if red := c.converge(what); red != "" {
		return red
	}
	if calm {
		after, err := c.lists()
		if err != nil {
			return err.Error()
		}
		for process, n := range after {
			if n > before[process] {
				return fmt.Sprintf("nothing was harmed, and %s listed %g keyspaces again", process, n-before[process])
			}
		}
	}
	return ""
}

// draw takes one or two faults from the deck, which is shuffled anew once all were dealt.
func (c *course) draw() (dealt []fault) {
	random := c.fleet.random
	redis := false
	for range min(1+random.IntN(2), len(c.faults)) {
		if len(c.deck) == 0 {
			c.deck = slices.Clone(c.faults)
			random.Shuffle(len(c.deck), func(i, j int) { c.deck[i], c.deck[j] = c.deck[j], c.deck[i] })
		}
		if f := c.deck[0]; !f.redis || !redis {
			c.deck, dealt, redis = c.deck[1:], append(dealt, f), redis || f.redis
		}
	}
	return dealt
}

// change makes n changes at random.
func (c *course) change(n int) (red string) {
	c.made += n
	return c.make(c.fleet.next(n))
}

// make makes changes, after the oracle has said what they come to.
func (c *course) make(changes []change) (red string) {
	if err := c.fleet.publish(c.fleet.good, changes); err != nil {
		return err.Error()
	}
	wanted, err := ask(c.fleet.good)
	if err != nil {
		return err.Error()
	}
	c.moments = append(c.moments, moment{time.Now(), wanted})
	if err := c.fleet.publish(c.fleet.live, changes); err != nil {
		return err.Error()
	}
	for _, change := range changes {
		fmt.Fprintln(c.recorder.log, time.Now().Format(clock), change)
	}
	return ""
}

// converge waits until the clusters have what the oracle said last, and judges what they lost on the way.
func (c *course) converge(after string) (red string) {
	since, wanted := time.Now(), c.moments[len(c.moments)-1].state
	why, ok := wait(c.patience, func() (string, bool) {
		found := differences(wanted, c.recorder.state())
		return fmt.Sprintf("%d objects: %s", len(found), strings.Join(found[:min(len(found), 5)], "; ")), len(found) == 0
	})
	took := time.Since(since)
	c.say("round %d  %-70s %4d changes so far  converged in %.2f s", c.fleet.round, after, c.made, took.Seconds())
	c.recoveries = append(c.recoveries, recovery{took, c.fleet.round, after})
	slices.SortFunc(c.recoveries, func(a, b recovery) int { return cmp.Compare(b.took, a.took) })
	c.recoveries = c.recoveries[:min(len(c.recoveries), 10)]
	lost, err := c.recorder.take()
	switch bad := unexplained(lost, c.moments); {
	case err != nil:
		return err.Error()
	case len(bad) > 0:
		return fmt.Sprintf("round %d (%s): %d losses that no change explains, the first at %s: %s", c.fleet.round, after, len(bad), bad[0].at.Format(clock), bad[0])
	case !ok:
		return fmt.Sprintf("round %d (%s): not converged after %s: %s", c.fleet.round, after, c.patience, why)
	}
	return ""
}

// only returns the faults of these names, separated by commas; all for none.
func only(names string) ([]fault, error) {
	if names == "" {
		return faults(), nil
	}
	var chosen []fault
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(faults(), func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
		chosen = append(chosen, faults()[i])
	}
	return chosen, nil
}
