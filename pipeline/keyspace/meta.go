package keyspace

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Epoch is one unbroken history of a keyspace. Epochs are ordered by time; the
// nonce tells two of the same millisecond apart.
type Epoch struct {
	Millis int64
	Nonce  string
}

// nextEpoch returns an epoch after every epoch seen.
func nextEpoch(now time.Time, seen ...Epoch) Epoch {
	e := Epoch{Millis: now.UnixMilli(), Nonce: newID(4)}
	for _, s := range seen {
		e.Millis = max(e.Millis, s.Millis+1)
	}
	return e
}

func newID(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never returns an error
	return hex.EncodeToString(b)
}

// String returns "<Unix milliseconds>-<nonce>", and "" for the zero epoch.
func (e Epoch) String() string {
	if e == (Epoch{}) {
		return ""
	}
	return strconv.FormatInt(e.Millis, 10) + "-" + e.Nonce
}

// lastMillis is when the year 9999 ends. What is later is no time that anybody wrote: no epoch could follow the last
// number there is, and JSON has no text for it.
const lastMillis = 253402300799999

// ParseEpoch reads what [Epoch.String] wrote, and nothing else: epochs are compared as text too.
func ParseEpoch(s string) (Epoch, error) {
	if s == "" {
		return Epoch{}, nil
	}
	millis, nonce, _ := strings.Cut(s, "-")
	n, err := strconv.ParseInt(millis, 10, 64)
	e := Epoch{Millis: n, Nonce: nonce}
	if err != nil || n < 0 || n > lastMillis || nonce == "" || strings.Trim(nonce, "0123456789abcdef") != "" || e.String() != s {
		return Epoch{}, fmt.Errorf(`parsing epoch %q: want "milliseconds-nonce"`, s)
	}
	return e, nil
}

// Compare orders epochs by age.
func (e Epoch) Compare(o Epoch) int {
	return cmp.Or(cmp.Compare(e.Millis, o.Millis), strings.Compare(e.Nonce, o.Nonce))
}

// Position is a point in a keyspace's history.
type Position struct {
	Epoch Epoch
	// Revision counts the writes of the keyspace, contiguously.
	Revision uint64
}

// String returns "epoch/revision".
func (p Position) String() string {
	return p.Epoch.String() + "/" + strconv.FormatUint(p.Revision, 10)
}

// ParsePosition reads what [Position.String] wrote, and nothing else.
func ParsePosition(s string) (Position, error) {
	epoch, revision, _ := strings.Cut(s, "/")
	e, err := ParseEpoch(epoch)
	n, err2 := strconv.ParseUint(revision, 10, 64)
	p := Position{e, n}
	if err = errors.Join(err, err2); err != nil || p.String() != s {
		return Position{}, fmt.Errorf(`parsing position %q: want "epoch/revision"`, s)
	}
	return p, nil
}

// Compare orders positions by epoch, then revision.
func (p Position) Compare(o Position) int {
	return cmp.Or(p.Epoch.Compare(o.Epoch), cmp.Compare(p.Revision, o.Revision))
}

// MarshalText is String, so that positions stand in JSON as text.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePosition.
func (p *Position) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePosition(string(b))
	return err
}

// Vector says from which position of each input a derived keyspace was computed.
type Vector map[Name]Position

// AtLeast reports whether v is at or after o in every component of o.
// An input that v does not name is older than any position.
func (v Vector) AtLeast(o Vector) bool {
	for name, position := range o {
		mine, ok := v[name]
		if !ok || mine.Compare(position) < 0 {
			return false
		}
	}
	return true
}

// Meta is what a keyspace says of itself. The zero Meta is that of a keyspace that does not exist.
type Meta struct {
	Position
	// WriteID is the id of the last write.
	WriteID string
	// Complete is false while the first list of an epoch is still being written: what is absent then is unknown, not gone.
	Complete bool
	// Owner is the identity that an owned keyspace is bound to; empty for others.
	Owner string
	// Inputs is set for derived keyspaces.
	Inputs Vector
	// Buckets is the number of hashes that the values are spread over.
	Buckets int
	// ChangedAt is when the last write was made.
	ChangedAt time.Time
}

// sameWrite reports whether both were left by the same write.
func (m Meta) sameWrite(o Meta) bool { return m.Position == o.Position && m.WriteID == o.WriteID }

// Exists reports whether the keyspace has ever been written in what Redis remembers.
func (m Meta) Exists() bool { return m.Epoch != Epoch{} }

// metaFields are the fields in the order in which [parseMeta] reads them.
func metaFields() []string {
	return []string{"epoch", "revision", "write_id", "complete", "owner", "inputs", "buckets", "changed_at"}
}

func (m Meta) fields() []any {
	inputs := ""
	if len(m.Inputs) > 0 {
		b, _ := json.Marshal(m.Inputs) // a map of text to text marshals
		inputs = string(b)
	}
	return []any{
		"epoch", m.Epoch.String(), "revision", m.Revision, "write_id", m.WriteID, "complete", m.Complete,
		"owner", m.Owner, "inputs", inputs, "buckets", m.Buckets, "changed_at", m.ChangedAt.UnixMilli(),
	}
}

// parseMeta reads the reply of HMGET [metaFields].
func parseMeta(name Name, reply []any) (Meta, error) {
	if want := len(metaFields()); len(reply) != want {
		return Meta{}, fmt.Errorf("reading the meta of %s: %d fields, want %d", name, len(reply), want)
	}
	text := make([]string, len(reply))
	for i, v := range reply {
		text[i], _ = v.(string)
	}
	if text[0] == "" {
		return Meta{}, nil
	}
	m := Meta{WriteID: text[2], Complete: text[3] == "1", Owner: text[4]}
	var err [5]error
	m.Epoch, err[0] = ParseEpoch(text[0])
	m.Revision, err[1] = strconv.ParseUint(text[1], 10, 64)
	if text[5] != "" {
		err[2] = json.Unmarshal([]byte(text[5]), &m.Inputs)
	}
	m.Buckets, err[3] = strconv.Atoi(text[6])
	if err[3] == nil && (m.Buckets < 1 || m.Buckets > maxBuckets) {
		err[3] = fmt.Errorf("%d buckets, want 1 to %d", m.Buckets, maxBuckets)
	}
	millis, e := strconv.ParseInt(text[7], 10, 64)
	m.ChangedAt, err[4] = time.UnixMilli(millis), e
	if millis < (time.Time{}).UnixMilli() || millis > lastMillis {
		err[4] = fmt.Errorf("changed at %d ms, which is no time", millis)
	}
	if e := errors.Join(err[:]...); e != nil {
		return Meta{}, fmt.Errorf("%w: %s holds %q: %w", ErrDamaged, name.MetaKey(), text, e)
	}
	return m, nil
}

// QueueMeta asks for what a keyspace says of itself in a pipeline. The function that it returns reads the answer once
// the pipeline ran: the zero Meta when there is none, and [ErrDamaged] for one that cannot be read.
func QueueMeta(ctx context.Context, p redis.Pipeliner, name Name) func() (Meta, error) {
	cmd := p.HMGet(ctx, name.MetaKey(), metaFields()...)
	return func() (Meta, error) {
		if err := cmd.Err(); err != nil {
			return Meta{}, err
		}
		return parseMeta(name, cmd.Val())
	}
}
