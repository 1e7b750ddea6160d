// Package redis holds the conformance test of the pipeline on every Redis that it is promised for: one scenario, in which
// an owner writes a keyspace, two replicas of a service share the work on it and others follow both, on each arrangement
// of servers, with what can happen to it in the middle. It is a table: a new arrangement is one more entry of it.
//
//	go test ./test/redis                                                     what this machine has servers for
//	go test -run 'TestTheScenarioHoldsOnEveryRedis/valkey/AOF' ./test/redis  one of them
package redis
