// Package keyspace keeps state in Redis so that its changes can be followed.
//
// # Data model
//
// A keyspace, named "kind/instance", is a map of keys to values with a history.
// It lives in one hash slot, under "mw:{kind/instance}:":
//
//	meta     HASH    epoch, revision, id of the last write, completeness, inputs
//	b:<i>    HASH    key → envelope (codec, revision, hash, value), spread over buckets
//	events   STREAM  one entry for each write: revision, write id, changed keys, never bodies
//	beat     STRING  with a time to live: the owner lives
//
// A write is one atomic step (WATCH on meta, MULTI/EXEC): it checks that meta is
// what the writer believes, changes values, moves the revision by one and appends
// one event. A revision is contiguous within an epoch; a new epoch says that
// history was lost. Meta.Complete is false while a new epoch's first list is
// still being written, and what is absent then is unknown, not gone.
//
// Three kinds of writer share that step: [Owned] has one writer, which opens a
// new epoch when meta is older than what it left, and gives up when it is newer; [Derived] may be written by any
// replica that has seen at least the inputs that the stored state was computed
// from; [Shared] has many writers that compare and set single records.
//
// # Use
//
// Writers stage what should be and flush; what is equal costs nothing:
//
//	snapshot := store.Owned("snapshot/east", clusterUID)
//	snapshot.Set(key, value)
//	snapshot.Complete()
//	err := snapshot.Flush(ctx)
//
// Readers follow: a [Replica] lists, then tails the events, and lists again when
// it has lost its place. What it shows is always a state that was written.
package keyspace
