package survey

import (
	"encoding/json"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// Survey is what one Redis holds of the pipeline.
type Survey struct {
	// At is when it was taken, by the clock of who took it.
	At time.Time `json:"at"`
	// Servers are the servers behind the connection, with what they should do otherwise.
	Servers []redisconn.Server `json:"servers"`
	// Keyspaces are those that the directory lists, by name.
	Keyspaces []Keyspace `json:"keyspaces"`
	// DeadLetters has one entry for each consumer group that was found, and for each that was asked for, by name.
	DeadLetters []DeadLetters `json:"deadLetters"`
	// Strangers are members of the directory that are no names of keyspaces.
	Strangers []string `json:"strangers,omitempty"`
}

// Keyspace is one keyspace.
type Keyspace struct {
	Name keyspace.Name `json:"name"`
	Kind string        `json:"kind"`
	// Exists is false for one that the directory lists and that holds nothing that can be read: see Trouble.
	Exists bool `json:"exists"`
	// Epoch and Revision are its place in history.
	Epoch    string `json:"epoch,omitempty"`
	Revision uint64 `json:"revision"`
	// Complete is false while the first list of an epoch is being written.
	Complete bool `json:"complete"`
	// Owner is the identity that an owned keyspace is bound to; empty for others.
	Owner string `json:"owner,omitempty"`
	// ChangedAt is when it was written last, by its writer's clock.
	ChangedAt time.Time `json:"changedAt,omitzero"`
	// Inputs are what a derived keyspace was computed from, by name.
	Inputs []Input `json:"inputs,omitempty"`
	// Objects is the number of its keys, and Bytes what all of it takes in Redis; both -1 where they were not asked for.
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Stream is that of its events.
	Stream Stream `json:"stream"`
	// Beat is nil where nobody says that they look after it.
	Beat *Beat `json:"beat,omitempty"`
	// Trouble says in words what could not be read, and how to mend it.
	Trouble []string `json:"trouble,omitempty"`

	buckets int
}

// Input is one of the keyspaces that a derived one was computed from.
type Input struct {
	Name keyspace.Name `json:"name"`
	// Epoch and Revision say how much of it had been seen. They move when the derived keyspace is written, and when its
	// writer has compared it and found nothing to write, which it does every half minute or so.
	Epoch    string `json:"epoch"`
	Revision uint64 `json:"revision"`
	// Behind is by how many revisions that is less than what there is; all of them where Lost.
	Behind uint64 `json:"behind"`
	// Lost says that the input's history is another by now, or that it is gone.
	Lost bool `json:"lost,omitempty"`
	// ChangedAt is when the input was written last.
	ChangedAt time.Time `json:"changedAt,omitzero"`
}

// Stream is the stream of a keyspace's events.
type Stream struct {
	// Length is the number of entries.
	Length int64 `json:"length"`
	// LastAt is when Redis took the last one; zero where there is none.
	LastAt time.Time `json:"lastAt,omitzero"`
	// LastRevision is that of the last one; 0 where it is no event of the keyspace's epoch.
	LastRevision uint64 `json:"lastRevision"`
	// Groups are the consumer groups, by name.
	Groups []Group `json:"groups,omitempty"`

	lastID string
}

// Group is a consumer group on one stream.
type Group struct {
	// Name is the service's.
	Name string `json:"name"`
	// Lag is the number of revisions that no consumer of the group was given yet; all of the present epoch while the group is in an
	// earlier one, and -1 when what it reads next are no events.
	Lag int64 `json:"lag"`
	// UnreadAt is when Redis took the oldest entry that no consumer was given; zero where there is none.
	UnreadAt time.Time `json:"unreadAt,omitzero"`
	// Pending is the number of entries that consumers were given and did not ack.
	Pending int64 `json:"pending"`
	// PendingAt is when Redis took the oldest of them, and Attempts how often that one was delivered.
	PendingAt time.Time `json:"pendingAt,omitzero"`
	Attempts  int64     `json:"attempts,omitempty"`
	// Consumers are the processes that share the stream, by name.
	Consumers []Consumer `json:"consumers,omitempty"`

	lastID string
}

// Consumer is one process in a group.
type Consumer struct {
	Name string `json:"name"`
	// Pending is the number of entries that it holds.
	Pending int64 `json:"pending"`
	// ActiveAt is when it last asked Redis for anything.
	ActiveAt time.Time `json:"activeAt,omitzero"`
}

// Beat is the heartbeat of whoever looks after a keyspace.
type Beat struct {
	// Info is what they say of themselves.
	Info json.RawMessage `json:"info"`
	// Until is when it ends unless it is renewed.
	Until time.Time `json:"until"`
}

// DeadLetters are the entries that one group gave up on.
type DeadLetters struct {
	Group string `json:"group"`
	Count int64  `json:"count"`
	// Classified is how many of the newest were looked at for ByClass and ByKeyspace.
	Classified int `json:"classified"`
	// ByClass counts them by why they were given up, and ByKeyspace by the keyspace from whose stream they came, "" where that is not told.
	ByClass    map[stream.Class]int  `json:"byClass,omitempty"`
	ByKeyspace map[keyspace.Name]int `json:"byKeyspace,omitempty"`
	// OldestAt and NewestAt are when the first and the last of those that were looked at were given up.
	OldestAt time.Time `json:"oldestAt,omitzero"`
	NewestAt time.Time `json:"newestAt,omitzero"`
	// Trouble says in words what could not be read.
	Trouble string `json:"trouble,omitempty"`
}
