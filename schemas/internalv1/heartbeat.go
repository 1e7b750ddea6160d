package internalv1

import "time"

// Heartbeat is what an agent says of itself every few seconds, as JSON, in the beat of its snapshot's keyspace.
type Heartbeat struct {
	// Version of Meshweir that the agent runs.
	Version string `json:"version"`
	// Source is "files" or "kubernetes".
	Source string `json:"source"`
	// Holder is who works for the cluster: "host:folder", or "lease namespace/name". Empty means that it is not known.
	Holder string `json:"holder,omitempty"`
	// StartedAt is when the agent was made.
	StartedAt time.Time `json:"started_at"`
	// Outage is why the agent cannot read its cluster, whose last state stays in force; empty while it can.
	Outage string `json:"outage,omitempty"`
	// OutageSince is when that began.
	OutageSince time.Time `json:"outage_since,omitzero"`
	// Objects counts the snapshot's objects by "Kind[.group]".
	Objects map[string]int `json:"objects,omitempty"`
	// Unknown counts the objects that are not taken, by "Kind[.group]".
	Unknown map[string]int `json:"unknown,omitempty"`
	// Unread says, by "Kind[.group]", why kinds cannot be read. What is known of them may be old.
	Unread map[string]string `json:"unread,omitempty"`
	// Problems is the number of ManifestProblems in the snapshot.
	Problems int `json:"problems"`
	// Results counts the objects of the output by what became of them.
	Results map[string]int `json:"results,omitempty"`
	// Drift counts the objects that somebody changed and that were applied again, since the start.
	Drift int `json:"drift"`
}
