// Package work shares the work on keyspaces among the replicas of a service.
//
// # Data model
//
// Each replica follows the state that it computes from (a [Follower], such as a
// keyspace.Replica). The events of the state reach one replica each, through a
// consumer group. An event is a hint that asks for a pass: the replica waits
// until it follows the state that the event tells of, makes one pass, in which
// it computes what changed and writes it by guarded writes, and acks. Events that
// come during a pass share the next one.
//
// Nothing rests on who holds an event, or on its coming at all: every now and
// then a pass checks everything, and repairs what is behind.
//
// # Pattern of use
//
//	worker, err := work.New(log, store, clients, replica, pass, work.Config{Group: "translator", Kinds: []string{"snapshot"}})
//	err = worker.Run(ctx)
package work
