package keyspace

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// prefix starts every key and channel that Meshweir uses in a Redis.
const prefix = "mw:"

// Name names a keyspace: "kind/instance", such as "snapshot/east".
type Name string

var namePart = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?$`)

// NewName joins and validates a kind and an instance: lower-case letters,
// digits, '-' and '.', as in Kubernetes names, at most 128 bytes each.
func NewName(kind, instance string) (Name, error) {
	for _, part := range []string{kind, instance} {
		if !namePart.MatchString(part) {
			return "", fmt.Errorf("naming keyspace %q/%q: %q is not of lower-case letters, digits, '-' and '.'", kind, instance, part)
		}
	}
	return Name(kind + "/" + instance), nil
}

// ParseName reads "kind/instance".
func ParseName(s string) (Name, error) {
	kind, instance, _ := strings.Cut(s, "/")
	return NewName(kind, instance)
}

// Kind returns the part before the slash, "snapshot".
func (n Name) Kind() string { kind, _, _ := strings.Cut(string(n), "/"); return kind }

// Instance returns the part behind the slash, "east".
func (n Name) Instance() string { _, instance, _ := strings.Cut(string(n), "/"); return instance }

// The keys of a keyspace share one hash tag, so that a write is atomic on a
// Redis Cluster too and one ACL pattern covers them.
func (n Name) key(part string) string { return prefix + "{" + string(n) + "}:" + part }

// MetaKey is the hash that holds the keyspace's [Meta].
func (n Name) MetaKey() string { return n.key("meta") }

// EventsKey is the stream of the keyspace's events.
func (n Name) EventsKey() string { return n.key("events") }

// OfEvents returns the keyspace whose events are in a stream.
func OfEvents(stream string) (Name, bool) {
	rest, ok := strings.CutPrefix(stream, prefix+"{")
	text, tail := strings.CutSuffix(rest, "}:events")
	name, err := ParseName(text)
	return name, ok && tail && err == nil
}

// BeatKey is the string, with a time to live, that says that the owner lives.
func (n Name) BeatKey() string { return n.key("beat") }

// BucketKey is the hash that holds the values of bucket i.
func (n Name) BucketKey(i int) string { return n.key("b:" + strconv.Itoa(i)) }

// KeyPattern matches every key of the keyspace in a Redis ACL rule.
func (n Name) KeyPattern() string { return n.key("*") }

// The directory is the set of names of the keyspaces that exist, and the
// channel on which writers make themselves known.
const (
	DirectoryKey    = prefix + "{directory}:names"
	AnnounceChannel = prefix + "announce"
)

// CountersPrefix begins the keys of the counters of rate limits. They are no keyspace: many write each, and they expire.
const CountersPrefix = prefix + "limits:"

// DeadLettersKey is the stream of the entries that a service gave up on.
func DeadLettersKey(service string) string { return prefix + "{dead}:" + service }
