package keyspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/schemas/events"
)

// What is read as a position prints as it was read, in text and in JSON, and a later epoch can follow it.
func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{
		"/0", "1795384246770-7cc0d76f/3", "", "/", "5-a", "-1-a/1", "+5-a/1", "007-a/1", "5-a/007", "5-a/b/7", "0-/1", "5-\xff/1", "5-A/1",
		"9223372036854775807-a/1", "253402300799999-a/1", "1-a/18446744073709551615", "1-a/18446744073709551616",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePosition(text)
		if err != nil {
			if p != (Position{}) || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
				t.Errorf("got %+v, %v, want an error that quotes %q, and no position", p, err, text)
			}
			return
		}
		if p.String() != text {
			t.Fatalf("%q prints as %q", text, p)
		}
		data, err := json.Marshal(Vector{"a/b": p})
		var again Vector
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if err != nil || again["a/b"] != p {
			t.Errorf("got %v, %v of %s, want %v", again, err, data, p)
		}
		now := time.UnixMilli(1_800_000_000_000)
		if next := nextEpoch(now, p.Epoch); next.Compare(p.Epoch) <= 0 || next.Millis < now.UnixMilli() {
			t.Errorf("%v does not follow %v at %v", next, p.Epoch, now)
		}
	})
}

// A name is its two parts, and its keys lead back to it.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"snapshot/east", "a/b.c-d", "", "/", "a", "a/", "a/b/c", "A/b", "a/b\n", "a/{b}", "mw:{a/b}:events", "mw:{a/b}:events}:events", "a/b}:events", "mw:{a/b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if name, ok := OfEvents(text); ok && name.EventsKey() != text {
			t.Errorf("the stream %q is read as that of %q, which is %q", text, name, name.EventsKey())
		}
		name, err := ParseName(text)
		if err != nil {
			if name != "" {
				t.Errorf("got %q, %v, want no name", name, err)
			}
			return
		}
		if string(name) != text || name.Kind()+"/"+name.Instance() != text || strings.ContainsAny(text, "{}: \n") || len(text) > 257 {
			t.Errorf("%q is read as %q", text, name)
		}
		if again, ok := OfEvents(name.EventsKey()); !ok || again != name {
			t.Errorf("got %q, %t of the stream of %q", again, ok, name)
		}
	})
}

// What Redis holds as meta is written back as what it was read as, or is damaged. What comes of it can be shown as JSON.
func FuzzParseMeta(f *testing.F) {
	f.Add("1795384246770-7cc0d76f", "3", "4e23307ecf8b10b3", "1", "uid", `{"snapshot/east":"1-a/2"}`, "64", "1795384246769")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("1-a", "0", "", "0", "", "{}", "1", "-62135596800000")
	f.Add("1-a", "-1", "", "", "", "null", "0", "9223372036854775807")
	f.Add("1-a", "1", "", "1", "", "", "1", "9223372036854775807")
	f.Add("1-a", "1", "", "", "", `{"a":1}`, "1000000000", "x")
	f.Fuzz(func(t *testing.T, epoch, revision, writeID, complete, owner, inputs, buckets, changedAt string) {
		m, err := parseMeta("snapshot/east", []any{epoch, revision, writeID, complete, owner, inputs, buckets, changedAt})
		if err != nil {
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), Name("snapshot/east").MetaKey()) || m.Exists() {
				t.Errorf("got %+v, %v, want ErrDamaged that names the key, and no meta", m, err)
			}
			return
		}
		if m.Exists() != (epoch != "") || m.Exists() && (m.Buckets < 1 || m.Buckets > maxBuckets) {
			t.Errorf("got %+v of the epoch %q", m, epoch)
		}
		if !m.Exists() {
			return
		}
		if _, err := json.Marshal(m.ChangedAt); err != nil {
			t.Errorf("showing when %+v changed: %v", m, err)
		}
		var reply []any
		for i, field := range m.fields() {
			if i%2 == 1 { // as Redis keeps it
				reply = append(reply, strings.NewReplacer("true", "1", "false", "0").Replace(fmt.Sprint(field)))
			}
		}
		reply[2], reply[4] = m.WriteID, m.Owner
		again, err := parseMeta("snapshot/east", reply)
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("reading what was written: %v (-first +again):\n%s", err, diff)
		}
	})
}

// An event that is read has a name and a position, and is written back as it was read, through an entry of a stream too.
func FuzzParseEvent(f *testing.F) {
	for _, file := range []string{"changed.v1.json", "asking.v1.json"} {
		f.Add(readFile(f, "../../schemas/events/testdata/"+file))
	}
	for _, seed := range []string{
		"", "null", "{}", `{"v":2}`, `{"v":1,"keyspace":"a/b"}`, `{"v":1,"keyspace":"a/b","epoch":"1-a/2","revision":1}`, `{"v":1,"keyspace":"a/b","epoch":"01-a","revision":1}`,
		`{"v":1,"keyspace":"a/b","epoch":"1-a","revision":18446744073709551615,"set":["\ud800","a"],"del":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := ParseEvent(payload)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading an event: ") {
				t.Errorf("got %v, want it to say what was read", err)
			}
			return
		}
		if at := EventPosition(e); at.Epoch.String() != e.Epoch || at.Epoch == (Epoch{}) || at.Revision == 0 || at.Revision != e.Revision {
			t.Errorf("the position of %+v is %v", e, at)
		}
		if n, err := ParseName(e.Keyspace); err != nil || string(n) != e.Keyspace {
			t.Errorf("got the name %q, %v of %+v", n, err, e)
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := throughEntry(data)
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("reading what was written: %v (-first +again):\n%s", err, diff)
		}
	})
}

func throughEntry(payload []byte) (events.Changed, error) {
	values, err := stream.Values(message.NewMessage("id", payload))
	if err != nil {
		return events.Changed{}, err
	}
	entry := redis.XMessage{ID: "1-1", Values: map[string]any{}}
	for i := 0; i < len(values); i += 2 {
		entry.Values[fmt.Sprint(values[i])] = fmt.Sprintf("%s", values[i+1])
	}
	e, msg, err := DecodeEvent(entry)
	if err == nil && (msg.UUID != "id" || string(msg.Payload) != string(payload)) {
		err = fmt.Errorf("the message is %q with %q", msg.UUID, msg.Payload)
	}
	return e, err
}
