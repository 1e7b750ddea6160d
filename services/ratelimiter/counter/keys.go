package counter

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

// Keys are made of parts whose length stands before them ("5:alice"), so that two lists of parts never make one key:
//
//	<prefix><algorithm>:<domain><name of the limit><parts of the counter>[@<window>]
//	<prefix>{<tag of the domain>}<algorithm>:…     where counters count together

// longest is how long the parts of a counter may be in a key; of longer ones it has a digest (SHA-256).
const longest = 200

// AppendPart adds a part of what tells a counter from the others of its limit: the key or the value of an entry.
func AppendPart(key []byte, part string) []byte {
	key = strconv.AppendInt(key, int64(len(part)), 10)
	key = append(key, ':')
	return append(key, part...)
}

func prefixOf(l *Limit) string {
	key := []byte(keyspace.CountersPrefix)
	if l.Together {
		sum := sha256.Sum256([]byte(l.Domain))
		key = append(key, "{"+hex.EncodeToString(sum[:8])+"}"...)
	}
	key = append(key, byte(l.Algorithm))
	key = append(key, ':')
	key = AppendPart(key, l.Domain)
	return string(AppendPart(key, l.Name))
}

// appendKey adds the key of a counter.
func (l *Limit) appendKey(key, parts []byte, window int64) []byte {
	key = append(key, l.prefix...)
	if len(parts) > longest {
		sum := sha256.Sum256(parts)
		key = append(key, '#') // no length begins so
		key = hex.AppendEncode(key, sum[:])
	} else {
		key = append(key, parts...)
	}
	if l.Algorithm == FixedWindow {
		key = append(key, '@')
		key = strconv.AppendInt(key, window, 10)
	}
	return key
}

// replicasKey is the sorted set of the limiters that live, by when each last said so.
const replicasKey = keyspace.CountersPrefix + "replicas"
