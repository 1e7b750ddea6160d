// Package counter counts hits against limits in Redis, exactly at any number of replicas and calls at once.
//
// A counter is one key, which expires by itself. [FixedWindow] has a key for each window: an integer, to which one INCRBY
// adds. [SlidingWindow] has a hash of the counts of this window and the last one, and [GCRA] the theoretical arrival time
// of the next hit; one run of a script reads and writes them. Several counters that count together or not at all
// share a slot, and one run of the script.
//
// What is asked while Redis is being asked already waits for the next batch: nothing waits on an idle connection, and the
// busier it is, the fewer times it is written to. Every question has an answer within [Config.Deadline].
// When Redis does not give it, the limit says what the answer is ([OnError]).
package counter
