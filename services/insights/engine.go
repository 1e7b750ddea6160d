package insights

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/services/insights/check"
	"github.com/meshweir/meshweir/services/insights/fleet"
)

// Engine knows what is wrong, change by change: tell its Fleet of changes, then
// call [Engine.Update]. It is not safe for concurrent use.
type Engine struct {
	// Fleet is what it knows.
	Fleet *fleet.Fleet

	checks    map[string]check.Check
	bySubject map[fleet.Input][]check.Check
	settings  check.Settings

	results map[fleet.Unit]check.Result
	again   map[fleet.Unit]time.Time
	// found are the findings by ID, of each unit that has it.
	found map[string]map[fleet.Unit]check.Finding
	// doubts are what cannot be told, by scope, and why.
	doubts map[scope]map[fleet.Unit]string
	says   map[string]insight.Insight
	// remembered is what was said before this process, or by others.
	remembered map[string]insight.Insight
	touched    map[string]struct{}
	// doubted says that what is doubted of whole clusters may have changed.
	doubted bool
	runs    int
	// Noted, when set, is told of what each check reads. It is for tests.
	Noted func(code string, input fleet.Input)
}

// scope is what is in doubt: one ID, or all of a code on a cluster.
type scope struct{ code, cluster, id string }

// NewEngine returns an engine that knows nothing yet.
func NewEngine(checks []check.Check, settings check.Settings) *Engine {
	e := &Engine{
		checks: map[string]check.Check{}, bySubject: map[fleet.Input][]check.Check{}, settings: settings.OrDefault(),
		results: map[fleet.Unit]check.Result{}, again: map[fleet.Unit]time.Time{}, found: map[string]map[fleet.Unit]check.Finding{},
		doubts: map[scope]map[fleet.Unit]string{}, says: map[string]insight.Insight{}, remembered: map[string]insight.Insight{},
		touched: map[string]struct{}{},
	}
	e.Fleet = fleet.New(e.moved)
	for _, c := range checks {
		e.checks[c.Code] = c
		for _, kind := range c.Subjects {
			e.bySubject[kind] = append(e.bySubject[kind], c)
		}
	}
	return e
}

// Runs returns how many subjects were looked at since the engine was made. It is for tests and metrics.
func (e *Engine) Runs() int { return e.runs }

// Remember tells of an insight that is stored, or, with a zero one, that it is no more. It stays when nobody can tell whether it holds.
func (e *Engine) Remember(id string, said insight.Insight) {
	if said.Code == "" {
		delete(e.remembered, id)
	} else {
		e.remembered[id] = said
	}
	if _, says := e.says[id]; !says {
		e.touched[id] = struct{}{}
	}
}

// moved makes the units of a subject due, or drops them.
func (e *Engine) moved(subject fleet.Ref) {
	if subject.Key.Kind == "" {
		e.doubted = true
		e.follow(subject, fleet.Clusters, e.Fleet.Visible(subject))
		return
	}
	e.follow(subject, fleet.KindOf(subject.Key), e.Fleet.Visible(subject))
	e.follow(subject, fleet.Reports, e.Fleet.Reported(subject))
}

func (e *Engine) follow(subject fleet.Ref, kind fleet.Input, exists bool) {
	for _, c := range e.bySubject[kind] {
		unit := fleet.Unit{Code: c.Code, Subject: subject}
		if exists {
			e.Fleet.Do(unit)
			continue
		}
		e.Fleet.Forget(unit)
		e.take(unit, check.Result{})
		delete(e.results, unit)
		delete(e.again, unit)
	}
}

// Update looks again at what is due at a time, and returns the IDs of the insights that came, went or changed, sorted.
func (e *Engine) Update(now time.Time) []string {
	for unit, at := range e.again {
		if !at.After(now) {
			e.Fleet.Do(unit)
		}
	}
	for unit := range e.Fleet.Due() {
		c := e.checks[unit.Code]
		var result check.Result
		var noted func(fleet.Input)
		if e.Noted != nil {
			noted = func(input fleet.Input) { e.Noted(unit.Code, input) }
		}
		again := e.Fleet.Read(unit, now, noted, func(r *fleet.Reader) { result = c.Run(r, unit.Subject, e.settings) })
		e.runs++
		e.take(unit, result)
		e.results[unit] = result
		if again.IsZero() {
			delete(e.again, unit)
		} else {
			e.again[unit] = again
		}
	}
	return e.settle()
}

// Next returns when something is due though nothing changes; zero for never.
func (e *Engine) Next() (next time.Time) {
	for _, at := range e.again {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// take puts the result of a unit in place of the one before.
func (e *Engine) take(unit fleet.Unit, result check.Result) {
	before := e.results[unit]
	if reflect.DeepEqual(before, result) {
		return
	}
	for _, f := range before.Found {
		id := check.ID(cmp.Or(f.Code, unit.Code), f.Target, f.Detail)
		drop(e.found, id, unit)
		e.touched[id] = struct{}{}
	}
	for _, d := range before.Doubts {
		drop(e.doubts, scopeOf(unit.Code, d), unit)
	}
	for _, f := range result.Found {
		id := check.ID(cmp.Or(f.Code, unit.Code), f.Target, f.Detail)
		put(e.found, id, unit, f)
		e.touched[id] = struct{}{}
	}
	for _, d := range result.Doubts {
		put(e.doubts, scopeOf(unit.Code, d), unit, d.Why)
	}
	if reflect.DeepEqual(before.Doubts, result.Doubts) {
		return
	}
	for _, d := range slices.Concat(before.Doubts, result.Doubts) {
		if s := scopeOf(unit.Code, d); s.id != "" {
			e.touched[s.id] = struct{}{}
		} else {
			e.doubted = true
		}
	}
}

func scopeOf(code string, d check.Doubt) scope {
	if d.Target.Key.Kind == "" && d.Detail == "" {
		return scope{code: code, cluster: d.Target.Cluster}
	}
	return scope{id: check.ID(code, d.Target, d.Detail)}
}

func put[K comparable, V any](all map[K]map[fleet.Unit]V, key K, unit fleet.Unit, value V) {
	if all[key] == nil {
		all[key] = map[fleet.Unit]V{}
	}
	all[key][unit] = value
}

func drop[K comparable, V any](all map[K]map[fleet.Unit]V, key K, unit fleet.Unit) {
	delete(all[key], unit)
	if len(all[key]) == 0 {
		delete(all, key)
	}
}

// settle says anew what may have changed.
func (e *Engine) settle() (changed []string) {
	if e.doubted {
		for _, ids := range []map[string]insight.Insight{e.says, e.remembered} {
			for id := range ids {
				e.touched[id] = struct{}{}
			}
		}
		e.doubted = false
	}
	for id := range e.touched {
		said, was := e.says[id]
		says, is := e.say(id)
		if was == is && reflect.DeepEqual(said, says) {
			continue
		}
		if is {
			e.says[id] = says
		} else {
			delete(e.says, id)
		}
		changed = append(changed, id)
	}
	clear(e.touched)
	slices.Sort(changed)
	return changed
}

// say returns what is to be said under an ID: what units found, or, where that is in doubt, what was said before.
func (e *Engine) say(id string) (insight.Insight, bool) {
	code, cluster, _ := check.ParseID(id)
	c, ok := e.checks[code]
	if !ok {
		return insight.Insight{}, false
	}
	if units := e.found[id]; len(units) > 0 {
		return merge(c, units), true
	}
	why := e.doubt(c, id, cluster)
	if why == "" {
		if !e.Fleet.State(cluster).Expected() { // one that is registered again is another one
			delete(e.remembered, id)
		}
		return insight.Insight{}, false
	}
	said, ok := e.says[id]
	if !ok {
		if said, ok = e.remembered[id]; !ok {
			return insight.Insight{}, false
		}
		said.FirstSeen, said.LastChanged = time.Time{}, time.Time{}
	}
	said.Unknown = why
	return said, true
}

// doubt says why nobody can tell whether an insight holds that no unit has found; "" when it does not hold.
func (e *Engine) doubt(c check.Check, id, cluster string) string {
	state := e.Fleet.State(cluster)
	switch {
	case !state.Expected():
		return ""
	case !c.OfClusters() && !state.Seen:
		return fmt.Sprintf("the cluster %s is not seen at the moment", cluster)
	}
	for _, s := range []scope{{id: id}, {code: c.Code, cluster: cluster}} {
		if whys := slices.Sorted(maps.Values(e.doubts[s])); len(whys) > 0 {
			return whys[0]
		}
	}
	return ""
}

// Insights returns all that is said, by ID, without times. The caller may keep it, but must not change what it refers to.
func (e *Engine) Insights() map[string]insight.Insight { return maps.Clone(e.says) }

// Insight returns what is said under an ID, without times.
func (e *Engine) Insight(id string) (insight.Insight, bool) {
	said, ok := e.says[id]
	return said, ok
}

// mostCases is how many of the cases of one finding are listed.
const mostCases = 10

// merge makes one insight of what several units found.
func merge(c check.Check, units map[fleet.Unit]check.Finding) insight.Insight {
	var first check.Finding
	var of fleet.Unit
	var cases []insight.Evidence
	for unit, f := range units {
		if of.Code == "" || unit.Subject.Compare(of.Subject) < 0 {
			first, of = f, unit
		}
		if f.Case != nil {
			cases = append(cases, *f.Case)
		}
	}
	said := insight.Insight{
		Code: c.Code, Severity: c.Severity, Title: c.Title, Summary: first.Summary, Target: first.Target.Insight(),
		Evidence: slices.Clone(first.Evidence), Remediation: first.Remedy, Closes: c.Closes,
	}
	if first.Severity != "" {
		said.Severity = first.Severity
	}
	for _, ref := range first.Also {
		said.Also = append(said.Also, ref.Insight())
	}
	slices.SortFunc(cases, func(a, b insight.Evidence) int {
		return cmp.Or(strings.Compare(a.Source.Cluster, b.Source.Cluster), strings.Compare(a.Source.Object, b.Source.Object))
	})
	if len(cases) > mostCases {
		said.Evidence = append(said.Evidence, insight.Evidence{
			Says: fmt.Sprintf("%d in all %s; the first %d follow", len(cases), first.CasesSay, mostCases), Source: first.Target.Insight(),
		})
		cases = cases[:mostCases]
	}
	said.Evidence = append(said.Evidence, cases...)
	return said
}
