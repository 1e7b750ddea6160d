// Package survey looks at the whole pipeline in one Redis, and changes nothing.
//
// # Data model
//
// A [Survey] is plain structs: the servers, each keyspace with its place in history, its stream and the consumer
// groups on it, and the dead letters. How far a group is behind is counted in revisions, which every event carries and
// meta tells: what Redis calls the lag of a group lies once a stream was trimmed. Times are points in time; who shows
// them makes ages of them, against [Survey.At].
//
// # Use
//
//	surveyor := survey.New(conn)
//	s, err := surveyor.Take(ctx, survey.Options{})
//
// A survey takes a handful of round trips for any number of keyspaces. What it reads of different keyspaces is not of
// one moment. It needs no right to write, none to list keys, and of what stands in values it reads nothing.
package survey
