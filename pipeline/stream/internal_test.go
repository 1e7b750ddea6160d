package stream

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	for n, want := range map[int]int{1: 100, 2: 200, 3: 400, 5: 1600, 6: 2000, 1000: 2000} {
		for range 20 {
			got := backoff(100*time.Millisecond, 2*time.Second, n)
			if w := time.Duration(want) * time.Millisecond; got < w*8/10 || got > w*12/10 {
				t.Errorf("after %d failures: got %s, want %s give or take a fifth", n, got, w)
			}
		}
	}
}

func TestIDsAreComparedAsNumbers(t *testing.T) {
	inOrder := []string{"0", "5", "5-1", "5-10", "10-2", "18446744073709551615-18446744073709551615"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got, want := CompareIDs(a, b) < 0, i < j; got != want {
				t.Errorf("%s before %s: got %t, want %t", a, b, got, want)
			}
		}
	}
	if CompareIDs("5", "5-0") != 0 {
		t.Error("5 is not 5-0")
	}
}

func TestTrimsBeforeTheOldestThatAnyoneNeeds(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	cfg := JanitorConfig{Keep: 100 * time.Second, KeepUngrouped: 200 * time.Second}
	for _, test := range []struct {
		name   string
		needed []string
		want   string
	}{
		{"no group: by the longer age", nil, "800000-0"},
		{"all far ahead: by age", []string{"950000-1", "990000-0"}, "900000-0"},
		{"one is behind: by that one", []string{"950000-1", "850000-7", "990000-0"}, "850000-7"},
		{"one has read nothing: nothing", []string{"950000-1", "0-0"}, "0-0"},
	} {
		if got := trimBefore(now, test.needed, cfg); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestRoomWaitsAMomentForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(10)
		if got := r.wait(nil); got != 10 {
			t.Errorf("empty: got %d, want 10", got)
		}
		r.take(8)
		start := time.Now()
		if got := r.wait(nil); got != 2 || time.Since(start) != gather {
			t.Errorf("little room: got %d after %s, want 2 after %s", got, time.Since(start), gather)
		}
		r.take(2)
		stop := make(chan struct{})
		time.AfterFunc(time.Second, r.free)
		start = time.Now()
		if got := r.wait(stop); got != 1 || time.Since(start) != time.Second+gather {
			t.Errorf("full: got %d after %s, want 1 a moment after the first was freed", got, time.Since(start))
		}
		r.take(1)
		time.AfterFunc(time.Second, func() { close(stop) })
		if got := r.wait(stop); got != 0 {
			t.Errorf("stopped: got %d, want 0", got)
		}
	})
}

func TestLanesServeInOrderAndSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := make(chan string, 100)
		l := newLanes(func(e *entry) {
			time.Sleep(time.Second)
			served <- e.id
		})
		start := time.Now()
		for _, batch := range [][]string{{"a1", "b1", "a2"}, {"b2", "a3"}} {
			var entries []*entry
			for _, id := range batch {
				entries = append(entries, &entry{entryKey: entryKey{id: id}})
			}
			l.put(entries, func(e *entry) string { return e.id[:1] })
			time.Sleep(time.Second / 2) // the first are being served
		}
		l.wait()
		close(served)
		got := map[byte][]string{}
		for id := range served {
			got[id[0]] = append(got[id[0]], id)
		}
		if !slices.Equal(got['a'], []string{"a1", "a2", "a3"}) || !slices.Equal(got['b'], []string{"b1", "b2"}) {
			t.Errorf("got %v, want each lane in order", got)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s, want the 3s of the longer lane", took)
		}
	})
}

func TestLedgerHandsOutAnEntryOnce(t *testing.T) {
	l := ledger{held: map[entryKey]*entry{}}
	e := &entry{entryKey: entryKey{"s", "1-0"}, alive: time.UnixMilli(1000)}
	if !l.take(e) || l.take(&entry{entryKey: e.entryKey}) {
		t.Error("the second take of an entry succeeded, or the first did not")
	}
	if got := l.touch(nil, time.UnixMilli(1000), time.UnixMilli(2000)); len(got) != 0 {
		t.Errorf("got %v to keep alive, want none yet", got)
	}
	if got := l.touch(nil, time.UnixMilli(1001), time.UnixMilli(2000)); len(got["s"]) != 1 {
		t.Errorf("got %v to keep alive, want the entry", got)
	}
	if l.drop("s", "1-0"); !l.take(e) {
		t.Error("the entry is held after its drop")
	}
}

func TestAttemptIsOneWhereNothingElseIsSaid(t *testing.T) {
	for text, want := range map[string]int{"": 1, "x": 1, "0": 1, "-3": 1, "7": 7} {
		msg := message.NewMessage("1", nil)
		msg.Metadata.Set(AttemptKey, text)
		if got := Attempt(msg); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// reply is an error that a server answers with.
type reply string

func (e reply) Error() string { return string(e) }
func (reply) RedisError()     {}

var _ redis.Error = reply("")

func TestServersThatAreNotReadyAreUnavailable(t *testing.T) {
	for text, want := range map[string]bool{
		"LOADING Redis is loading the dataset in memory": true, "READONLY You can't write against a read only replica.": true,
		"CLUSTERDOWN The cluster is down": true, "OOM command not allowed": true, "MISCONF Redis is configured to save": true,
		"MOVED 3091 192.0.2.1:6379": true, "ASK 3091 192.0.2.1:6379": true,
		"WRONGTYPE Operation against a key": false, "NOPERM this user has no permissions": false, "ERR unknown command": false,
	} {
		if got := unavailable(fmt.Errorf("writing: %w", reply(text))); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
	if unavailable(redis.Nil) || unavailable(strconv.ErrSyntax) {
		t.Error("an answer of nothing, or an error of the handler's own, is not unavailability")
	}
}
