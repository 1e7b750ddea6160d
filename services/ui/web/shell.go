package web

import (
	"html/template"
	"strconv"

	"github.com/meshweir/meshweir/schemas/insight"
)

// section is what a page belongs to, and an entry of the side navigation.
type section struct {
	title, icon, path string
	// badge says something of the section beside its entry; nil for nothing.
	badge func(*Fleet) badge
}

// sections returns the entries of the side navigation, in order. One that no page belongs to is not listed.
func sections() []section {
	return []section{
		{"Overview", "overview", "/", nil},
		{"Clusters", "clusters", "/clusters", clustersBadge},
		{"Resources", "resources", "/resources", resourcesBadge},
		{"Topology", "topology", "/topology", nil},
		{"Policies", "policies", "/policies", nil},
		{"Pipeline", "pipeline", "/pipeline", nil},
		{"Insights", "insights", "/insights", insightsBadge},
	}
}

// badge is a short text beside an entry.
type badge struct {
	Text string
	// Means is what the text means, for those who hear it: "of 3 connected".
	Means string
	// Tone is "error", "warning" or empty.
	Tone string
}

// shellMenu is what "shell/menu" shows.
type shellMenu struct{ Entries []entry }

type entry struct {
	Title, Icon, Path string
	Current           bool
	Badge             badge
}

// shellFleet is what "shell/fleet" shows: the state of the fleet in a few words.
type shellFleet struct{ Tone, Word string }

// shell is what stands around every page, rendered.
type shell struct{ Menu, Fleet template.HTML }

// shellRegions are the parts of the shell that stay true while a page is open.
const (
	regionMenu  = "shell/menu"
	regionFleet = "shell/fleet"
)

// shellRegions renders the shell around a page of a section.
func (r *renderer) shellRegions(f *Fleet, current string) ([]region, error) {
	var menu shellMenu
	for _, s := range r.sections {
		e := entry{Title: s.title, Icon: s.icon, Path: s.path, Current: s.title == current}
		if s.badge != nil {
			e.Badge = s.badge(f)
		}
		menu.Entries = append(menu.Entries, e)
	}
	var regions []region
	for _, part := range []struct {
		name string
		data any
	}{{regionMenu, menu}, {regionFleet, fleetState(f)}} {
		made, err := r.region(part.name, part.name, part.data)
		if err != nil {
			return nil, err
		}
		regions = append(regions, made)
	}
	return regions, nil
}

// fleetState says in a few words how the fleet is, the worst first.
func fleetState(f *Fleet) shellFleet {
	away, expected, unknown, open := 0, 0, 0, f.openInsights()
	errors, warnings := open[insight.Error], open[insight.Warning]
	for _, c := range f.Clusters {
		errors += c.Errors
		warnings += c.Warnings
		switch {
		case c.Expected:
			expected++
		case c.away():
			away++
		case !c.Known:
			unknown++
		}
	}
	switch {
	case !f.Stale.IsZero():
		return shellFleet{"warning", "Redis away"}
	case f.Refusal != nil:
		return shellFleet{"error", "Redis takes no writes"}
	case len(f.Clusters) == 0:
		return shellFleet{"unknown", "No cluster yet"}
	case away > 0:
		return shellFleet{"error", plural(away, "cluster", "clusters") + " disconnected"}
	case errors > 0:
		return shellFleet{"error", plural(errors, "error", "errors")}
	case expected > 0:
		return shellFleet{"unknown", plural(expected, "cluster", "clusters") + " never seen"}
	case unknown > 0:
		return shellFleet{"unknown", plural(unknown, "cluster", "clusters") + " unknown"}
	case warnings > 0:
		return shellFleet{"warning", plural(warnings, "warning", "warnings")}
	case !f.Looked:
		return shellFleet{"unknown", "No insights yet"}
	default:
		return shellFleet{"ok", "All good"}
	}
}

func clustersBadge(f *Fleet) badge {
	away := 0
	for _, c := range f.Clusters {
		if c.away() {
			away++
		}
	}
	if away > 0 {
		return badge{strconv.Itoa(away), "disconnected", "error"}
	}
	return badge{Text: countOf(len(f.Clusters)), Means: "in all"}
}

func resourcesBadge(f *Fleet) badge {
	n := 0
	for _, c := range f.Clusters {
		n += len(c.Items)
	}
	return badge{Text: countOf(n), Means: "in all"}
}

// insightsBadge counts the insights that ask for somebody; the worst decides its tone.
func insightsBadge(f *Fleet) badge {
	open := f.openInsights()
	b := badge{Text: countOf(open[insight.Error] + open[insight.Warning]), Means: "open"}
	switch {
	case open[insight.Error] > 0:
		b.Tone = "error"
	case open[insight.Warning] > 0:
		b.Tone = "warning"
	}
	return b
}

// countOf writes a count; none is no text.
func countOf(n int) string {
	if n == 0 {
		return ""
	}
	return number(n)
}
