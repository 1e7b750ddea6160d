package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// die makes dead letters of messages with these payloads, in order.
func die(t *testing.T, client redis.UniversalClient, d *stream.DeadLetters, payloads ...string) {
	t.Helper()
	publish(t, client, "s", payloads...)
	killAll(t, client, d)
	eventually(t, "all dead", func() bool {
		n, err := d.Count(t.Context())
		return err == nil && n == int64(len(payloads)) && pending(t, client, "s", "g") == 0
	})
}

// killAll gives up every message of stream "s" until the test ends.
func killAll(t *testing.T, client redis.UniversalClient, d *stream.DeadLetters) {
	t.Helper()
	route(t, client, stream.RouterConfig{DeadLetters: d}, func(*message.Message) error { return stream.Permanent(errors.New("bad")) })
}

func TestListsDeadLettersNewestFirstPageByPage(t *testing.T) {
	pipelinetest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		d := newDeadLetters(t, client)
		die(t, client, d, "a", "b", "c")
		var got []string
		for page := (stream.Page{Limit: 2}); ; {
			letters, err := d.List(t.Context(), page)
			if err != nil {
				t.Fatal(err)
			}
			if len(letters) == 0 {
				break
			}
			for _, l := range letters {
				got = append(got, string(l.Message.Payload))
				if age := time.Since(l.At); age < 0 || age > time.Minute {
					t.Errorf("got a dead letter of %s, want one of now", l.At)
				}
			}
			page.Before = letters[len(letters)-1].ID
		}
		if fmt.Sprint(got) != "[c b a]" {
			t.Errorf("got %v, want c, b, a", got)
		}
	})
}

func TestReplayPublishesWhatWasPublishedFirst(t *testing.T) {
	client := pipelinetest.Embedded(t)
	d := newDeadLetters(t, client)
	die(t, client, d, "a")
	client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"garbage", "\xff"}})
	eventually(t, "both dead", func() bool { n, _ := d.Count(t.Context()); return n == 2 })
	letters, err := d.List(t.Context(), stream.Page{})
	if err != nil {
		t.Fatal(err)
	}
	original := client.XRange(t.Context(), "s", "-", "+").Val()
	other, err := stream.NewDeadLetters(client, "dead", stream.DeadLettersConfig{}) // the CLI, say
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		if err := other.Replay(t.Context(), l.ID); err != nil {
			t.Fatal(err)
		}
		if err := other.Replay(t.Context(), l.ID); !errors.Is(err, stream.ErrNoDeadLetter) {
			t.Errorf("got error %v for a second replay, want ErrNoDeadLetter", err)
		}
	}
	// The two entries as they were, the newest first; they die again at once.
	replayed := client.XRange(t.Context(), "s", "-", "+").Val()[2:]
	if len(replayed) != 2 || fmt.Sprint(replayed[0].Values, replayed[1].Values) != fmt.Sprint(original[1].Values, original[0].Values) {
		t.Errorf("got %v, want %v", replayed, original)
	}
}

func TestReplayWhoseReplyIsLostMakesOneEntry(t *testing.T) {
	server := pipelinetest.Embedded(t)
	letters := newDeadLetters(t, server)
	die(t, server, letters, "a")
	id := onlyLetter(t, letters).ID
	p := newProxy(t, server)
	word := "xadd"
	p.loseReply.Store(&word)
	before := server.XLen(t.Context(), "s").Val()
	if err := newDeadLetters(t, p.dial(t, 3)).Replay(t.Context(), id); err == nil {
		t.Error("got no error, want one: nobody knows whether the message is there")
	}
	if got := server.XLen(t.Context(), "s").Val() - before; got != 1 {
		t.Errorf("got %d entries, want 1", got)
	}
}

func TestDropsADeadLetter(t *testing.T) {
	client := pipelinetest.Embedded(t)
	d := newDeadLetters(t, client)
	die(t, client, d, "a")
	id := onlyLetter(t, d).ID
	if err := d.Drop(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := d.Drop(t.Context(), id); !errors.Is(err, stream.ErrNoDeadLetter) {
		t.Errorf("got error %v for a second drop, want ErrNoDeadLetter", err)
	}
}

func TestDeadLettersAreCappedByLengthAndAge(t *testing.T) {
	client := pipelinetest.Embedded(t)
	client.XAdd(t.Context(), &redis.XAddArgs{Stream: "dead", ID: "1-0", Values: []string{"from", "long ago"}})
	d, err := stream.NewDeadLetters(client, "dead", stream.DeadLettersConfig{MaxLength: 3})
	if err != nil {
		t.Fatal(err)
	}
	killAll(t, client, d)
	publish(t, client, "s", "a")
	eventually(t, "the old one is gone", func() bool {
		entries := client.XRange(t.Context(), "dead", "-", "+").Val()
		return len(entries) == 1 && entries[0].ID != "1-0"
	})
	publish(t, client, "s", "b", "c", "d", "e")
	eventually(t, "all handled", func() bool {
		last, err := d.List(t.Context(), stream.Page{Limit: 1})
		return err == nil && string(last[0].Message.Payload) == "e"
	})
	if n, _ := d.Count(t.Context()); n != 3 {
		t.Errorf("got %d dead letters, want the cap of 3", n)
	}
}

func TestGarbageAmongDeadLettersIsShownAsIs(t *testing.T) {
	client := pipelinetest.Embedded(t)
	id := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "dead", Values: []string{"garbage", "x"}}).Val()
	d := newDeadLetters(t, client)
	if got := onlyLetter(t, d); got.Class != stream.ClassUndecodable || string(got.Raw["garbage"]) != "x" {
		t.Errorf("got %+v", got)
	}
	if err := d.Replay(t.Context(), id); err == nil {
		t.Error("replayed what came from nowhere")
	}
}
