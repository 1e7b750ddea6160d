package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

// judgeInsights says what there is to mend in the configuration. That harms requests and not Meshweir, so that it is no failure.
func judgeInsights(all found) verdict {
	v := verdict{Level: levelOK, Of: "insights", Name: "fleet"}
	open, muted := insightFilter{severity: anySeverity}.of(all.Insights)
	v.Says = countInsights(open)
	if len(open) > 0 {
		v.Says += " open"
	}
	unknown := 0
	for _, i := range open {
		if i.Severity == insight.Error || i.Severity == insight.Warning {
			v.Level, v.Mend = levelWarn, "meshweir insights"
		}
		if i.Unknown != "" {
			unknown++
		}
	}
	if unknown > 0 {
		v.Says += fmt.Sprintf(", of %d of which nobody can tell at the moment whether they hold", unknown)
	}
	if muted > 0 {
		v.Says += fmt.Sprintf(", %d muted", muted)
	}
	if !all.Looked {
		v.Level = levelWarn
		v.Says += "; and nobody has looked at the whole fleet yet"
		v.Mend = cmp.Or(v.Mend, "see that insights works, and its log")
	}
	return v
}

// judgeTwins looks for clusters of the fleet that have one identity: they are one cluster under several names, whose objects
// count once for each.
func judgeTwins(look survey.Survey, members map[string]internalv1.Membership) []verdict {
	uids := map[string]string{}
	for name, m := range members {
		uids[name] = m.UID
	}
	for _, k := range look.Keyspaces {
		if k.Kind == snapshotKind && k.Exists {
			uids[k.Name.Instance()] = k.Owner
		}
	}
	maps.DeleteFunc(uids, func(name, _ string) bool { return members[name].State == internalv1.Deregistered })
	var verdicts []verdict
	for name, others := range twins(uids) {
		if name < others[0] { // once for all of them
			verdicts = append(verdicts, verdict{
				levelWarn, "agent", list(append([]string{name}, others...)),
				"are one cluster under several names, by its identity " + uids[name] + ": what is in it counts once for each name",
				"find out which name is right, stop the agent of the other, and: meshweir cluster deregister NAME",
			})
		}
	}
	slices.SortFunc(verdicts, func(a, b verdict) int { return cmp.Compare(a.Name, b.Name) })
	return verdicts
}

// twins returns, for each name whose identity is that of others too, these others, sorted. uids are by name.
func twins(uids map[string]string) map[string][]string {
	byUID, found := map[string][]string{}, map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(uids)) {
		if uid := uids[name]; uid != "" {
			byUID[uid] = append(byUID[uid], name)
		}
	}
	for _, names := range byUID {
		for i, name := range names {
			if len(names) > 1 {
				found[name] = slices.Delete(slices.Clone(names), i, i+1)
			}
		}
	}
	return found
}

// wentWithItsCluster reports whether a keyspace is of a cluster that is deregistered, so that it is to be gone.
func wentWithItsCluster(name keyspace.Name, members map[string]internalv1.Membership) bool {
	of := instanceOf(name)
	return members[of].State == internalv1.Deregistered && slices.Contains(keyspacesOf(of), name)
}
