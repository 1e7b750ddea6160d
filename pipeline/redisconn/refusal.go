package redisconn

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Refusal explains the answer of a server that takes no writes, or none of this
// user. ok is false for every other error, one of the connection among them.
func Refusal(err error) (f Finding, ok bool) {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return Finding{}, false
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	f, ok = map[string]Finding{
		"READONLY": {
			What: "Redis is read-only", Why: "it is a replica of another server",
			Mend: "name the master in the Redis URL, or make this server one by REPLICAOF NO ONE",
		},
		"OOM": {
			What: "Redis is full", Why: "it has used all of its maxmemory",
			Mend: "raise maxmemory, or see what else lives in it",
		},
		"MISCONF": {
			What: "Redis refuses writes", Why: "it could not save its data to disk",
			Mend: "see the server's log and disk",
		},
		"NOREPLICAS": {
			What: "Redis refuses writes", Why: "it has fewer replicas in good health than min-replicas-to-write asks for",
			Mend: "bring the replicas back, or lower min-replicas-to-write",
		},
		"NOPERM": {
			What: "Redis refuses writes", Why: reply.Error(),
			Mend: "grant them to the user, see ACL SETUSER",
		},
	}[code]
	f.Severity = Problem
	return f, ok
}
