package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/schemas/internalv1"
)

// What may last how long before it is said: a service compares everything twice a minute, and takes over what a dead
// one holds within seconds.
const (
	slowAfter  = 30 * time.Second
	stuckAfter = 5 * time.Minute
	staleAfter = 90 * time.Second
	goneAfter  = time.Minute
)

// secrets is the kind that an agent may read where somebody chose so, and not by its usual manifests.
const secrets = "Secret"

func judgeServers(servers []redisconn.Server) []verdict {
	var verdicts []verdict
	for _, s := range servers {
		name := string(redisconn.Control)
		if s.Address != "" {
			name += " " + s.Address
		}
		v := verdict{Level: levelOK, Of: "redis", Name: name, Says: describe(s)}
		if len(s.Findings) == 0 {
			verdicts = append(verdicts, v)
		}
		for _, f := range s.Findings {
			level := map[redisconn.Severity]level{redisconn.Note: levelOK, redisconn.Warning: levelWarn, redisconn.Problem: levelFail}[f.Severity]
			verdicts = append(verdicts, verdict{level, "redis", name, f.What + ": " + f.Why, f.Mend})
		}
	}
	return verdicts
}

func describe(s redisconn.Server) string {
	parts := []string{strings.TrimSpace("Redis " + s.Version), s.Mode, s.Role}
	if s.UsedMemory > 0 {
		memory := size(s.UsedMemory) + " used"
		if s.MaxMemory > 0 {
			memory += " of " + size(s.MaxMemory)
		}
		parts = append(parts, memory)
	}
	parts = append(parts, s.Policy)
	if s.Persistence != "" {
		parts = append(parts, "persistence "+s.Persistence)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// judgeSurvey says how everything in a survey is. It is pure; members are the entries of the registry of clusters, feeds the
// clusters that what is wanted elsewhere was made from, by these, and expected the groups that should have a consumer.
func judgeSurvey(look survey.Survey, members map[string]internalv1.Membership, feeds roster, expected []string) []verdict {
	verdicts := judgeServices(look, expected)
	verdicts = append(verdicts, judgeAgents(look, members, feeds)...)
	verdicts = append(verdicts, judgeTwins(look, members)...)
	for _, k := range look.Keyspaces {
		for _, g := range k.Stream.Groups {
			verdicts = append(verdicts, judgeGroup(k, g, look.At))
		}
	}
	for _, k := range look.Keyspaces {
		verdicts = append(verdicts, judgeKeyspace(k, members, look.At))
	}
	for _, stranger := range look.Strangers {
		verdicts = append(verdicts, verdict{
			levelWarn, "keyspace", fmt.Sprintf("%q", stranger), "it is in the directory of keyspaces and cannot be one",
			"redis-cli SREM '" + keyspace.DirectoryKey + "' '" + stranger + "'",
		})
	}
	return verdicts
}

// judgeServices looks, for each group, for a process that works in it on any stream.
func judgeServices(look survey.Survey, expected []string) []verdict {
	active, names := map[string]time.Time{}, map[string]map[string]bool{}
	dead := map[string]survey.DeadLetters{}
	for _, group := range expected {
		active[group] = time.Time{}
	}
	// The embedded Redis does not keep when a consumer last asked for anything: there, who is in the group counts as there.
	untold := slices.ContainsFunc(look.Servers, func(s redisconn.Server) bool { return s.Version == "" && !s.Silent })
	for _, k := range look.Keyspaces {
		for _, g := range k.Stream.Groups {
			active[g.Name] = maxTime(active[g.Name], time.Time{})
			for _, c := range g.Consumers {
				active[g.Name] = maxTime(active[g.Name], c.ActiveAt)
				if names[g.Name] == nil {
					names[g.Name] = map[string]bool{}
				}
				if look.At.Sub(c.ActiveAt) < goneAfter || untold {
					names[g.Name][c.Name] = true
				}
			}
		}
	}
	for _, d := range look.DeadLetters {
		dead[d.Group] = d
	}
	var verdicts []verdict
	for _, group := range slices.Sorted(maps.Keys(active)) {
		v := verdict{Level: levelOK, Of: "service", Name: group}
		switch at := active[group]; {
		case len(names[group]) > 0:
			v.Says = "works as " + list(slices.Sorted(maps.Keys(names[group])))
		case at.IsZero():
			v.Level, v.Says = levelFail, "no process is in its consumer group"
			v.Mend = "start it, on this Redis: see its log for what it waits for"
		default:
			v.Level, v.Says = levelFail, "no process works in its consumer group, since "+age(look.At, at)
			v.Mend = "start it, or see in its log why it does not read"
		}
		d := dead[group]
		switch {
		case d.Trouble != "":
			v.Level, v.Mend = worst(v.Level, levelWarn), cmp.Or(v.Mend, "delete the key: "+keyspace.DeadLettersKey(group))
			v.Says += "; its dead letters cannot be read: " + d.Trouble
		case d.Count > 0:
			v.Level, v.Mend = worst(v.Level, levelWarn), cmp.Or(v.Mend, "meshweir pipeline dead-letters ls --group "+group)
			v.Says += fmt.Sprintf("; gave up on %s, the last %s ago", counted(d.Count, "entry", "entries"), age(look.At, d.NewestAt))
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// judgeAgents looks at the clusters that have a snapshot, at those that are registered, and at those that others need.
func judgeAgents(look survey.Survey, members map[string]internalv1.Membership, feeds roster) []verdict {
	clusters := map[string]*survey.Keyspace{}
	for name := range feeds {
		if members[name].State != internalv1.Deregistered {
			clusters[name] = nil
		}
	}
	for name, m := range members {
		if m.State == internalv1.Registered {
			clusters[name] = nil
		}
	}
	for i, k := range look.Keyspaces {
		if k.Kind == snapshotKind {
			clusters[k.Name.Instance()] = &look.Keyspaces[i]
		}
	}
	var verdicts []verdict
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		verdicts = append(verdicts, judgeAgent(name, clusters[name], members[name], feeds[name], look.At))
	}
	return verdicts
}

func judgeAgent(name string, k *survey.Keyspace, member internalv1.Membership, feeds *cluster, now time.Time) verdict {
	v := verdict{Level: levelOK, Of: "agent", Name: name}
	out := member.State == internalv1.Deregistered
	var beat internalv1.Heartbeat
	if k != nil && k.Beat != nil {
		beat, _ = decodeJSON[internalv1.Heartbeat]("", k.Beat.Info) // what is none has no version
	}
	unread := maps.Clone(beat.Unread)
	delete(unread, secrets)
	switch {
	case (k == nil || !k.Exists && beat.Version == "") && feeds != nil:
		v.Level, v.Says = levelFail, "nothing is known of the cluster; what was made from it is held in "+list(slices.Sorted(maps.Keys(feeds.Feeds)))
		v.Mend = "see its agent's log; if the cluster is gone for good: meshweir cluster deregister " + name
	case k == nil || !k.Exists && beat.Version == "":
		v.Level, v.Says = levelFail, "the cluster is expected and was never seen"
		v.Mend = fmt.Sprintf("start its agent (meshweir cluster register %s --create-user …), or meshweir cluster deregister %s", name, name)
	case beat.Version == "" && out:
		v.Says = "deregistered"
	case beat.Version == "":
		v.Level, v.Says = levelFail, "no agent works for the cluster; what it held "+age(now, k.ChangedAt)+" ago stays in force"
		v.Mend = "see its agent's log; if the cluster is gone for good: meshweir cluster deregister " + name
	case out:
		v.Level, v.Says, v.Mend = levelWarn, "deregistered, and its agent works", "stop the agent, or meshweir cluster register "+name
	case beat.Outage != "":
		v.Level, v.Says = levelFail, "cannot read its cluster, since "+age(now, beat.OutageSince)+": "+beat.Outage
		v.Mend = "see to the cluster's API server or folder, and to the agent's rights; its last state stays in force"
	case beat.Results[string(internalv1.ResultError)]+beat.Results[string(internalv1.ResultConflict)]+beat.Results[string(internalv1.ResultRefused)] > 0:
		v.Level, v.Says = levelWarn, "its cluster did not take everything: "+results(beat.Results)
		v.Mend = "meshweir diff " + name
	case len(unread) > 0:
		v.Level, v.Says = levelWarn, "may not read "+list(slices.Sorted(maps.Keys(unread)))
		v.Mend = "apply the manifests of this version: meshweir cluster register " + name + " --rotate-password --apply …"
	case beat.Problems > 0:
		v.Level, v.Says, v.Mend = levelWarn, counted(beat.Problems, "manifest", "manifests")+" cannot be read", "meshweir inspect snapshot "+name+" --kind ManifestProblem"
	default:
		v.Says = fmt.Sprintf("works, %s, since %s", beat.Version, age(now, beat.StartedAt))
		if beat.Unread[secrets] != "" {
			v.Says += "; may not read Secrets, so that certificates are unknown: deploy/k8s/components/certificates lets it"
		}
	}
	return v
}

func judgeGroup(k survey.Keyspace, g survey.Group, now time.Time) verdict {
	v := verdict{Level: levelOK, Of: "stream", Name: string(k.Name) + " → " + g.Name, Says: "keeps up"}
	waits, holds := since(now, g.UnreadAt), since(now, g.PendingAt)
	behind := counted(g.Lag, "revision", "revisions") + " behind"
	if g.Lag < 0 {
		behind = "has entries to read that are no events"
	}
	switch {
	case waits > slowAfter:
		v.Says, v.Mend = fmt.Sprintf("%s, the oldest for %s", behind, duration.HumanDuration(waits)), "see that "+g.Name+" runs, and its log"
	case holds > slowAfter:
		v.Says = fmt.Sprintf("holds %s, the oldest for %s, delivered %s", counted(g.Pending, "entry", "entries"), duration.HumanDuration(holds), counted(g.Attempts, "time", "times"))
		v.Mend = "see the log of " + g.Name + " for what holds it up"
	case g.Lag != 0 || g.Pending > 0:
		v.Says = fmt.Sprintf("%s, %d in hand", behind, g.Pending)
	}
	switch longest := max(waits, holds); {
	case longest > stuckAfter:
		v.Level = levelFail
	case longest > slowAfter:
		v.Level = levelWarn
	}
	return v
}

func judgeKeyspace(k survey.Keyspace, members map[string]internalv1.Membership, now time.Time) verdict {
	v := verdict{Level: levelOK, Of: "keyspace", Name: string(k.Name), Says: fmt.Sprintf("revision %d, changed %s ago", k.Revision, age(now, k.ChangedAt))}
	var behind []string
	for _, in := range k.Inputs {
		switch {
		case in.Lost && wentWithItsCluster(in.Name, members): // its writer's next comparison forgets it
		case in.Lost:
			behind = append(behind, fmt.Sprintf("%s, whose history is another by now", in.Name))
		case in.Behind > 0 && since(now, in.ChangedAt) > staleAfter:
			behind = append(behind, fmt.Sprintf("%s by %s", in.Name, counted(in.Behind, "revision", "revisions")))
		}
	}
	switch {
	case len(k.Trouble) > 0 && wentWithItsCluster(k.Name, members):
		v.Says = "goes with its cluster, which is deregistered"
	case len(k.Trouble) > 0:
		v.Level, v.Says, v.Mend = levelFail, k.Trouble[0], "see that its writer runs"
		if !k.Exists {
			v.Level, v.Mend = levelWarn, "start its writer; if it is gone for good, nothing is to be done"
		}
	case !k.Complete:
		v.Level, v.Says = levelWarn, fmt.Sprintf("revision %d, and its first list is not complete", k.Revision)
		v.Mend = "wait; if it lasts, see the log of its writer"
	case len(behind) > 0:
		v.Level, v.Says, v.Mend = levelWarn, "is behind "+list(behind), "meshweir pipeline repair "+string(k.Name)
	}
	return v
}

func worst(a, b level) level {
	order := []level{levelOK, levelWarn, levelFail}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// since is how long ago something was, and zero for what never was.
func since(now, at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(now.Sub(at), 0)
}

// age is since, for people.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(since(now, at))
}

// counted writes a count with its noun.
func counted[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// size prints bytes for people.
func size(bytes int64) string {
	if bytes < 0 {
		return "-"
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
