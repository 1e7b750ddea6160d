package stream_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/stream"
)

func TestGoesOnAfterRedisWasAway(t *testing.T) {
	server := pipelinetest.RealServer(t)
	client := server.Client()
	for _, group := range []string{"g", ""} {
		publish(t, client, "s", "before")
		var log pipelinetest.Buffer
		s, err := stream.NewSubscriber(slog.New(slog.NewTextHandler(&log, nil)), client, fast(group))
		if err != nil {
			t.Fatal(err)
		}
		messages := subscribe(t, s, "s")
		if group != "" {
			read(t, messages, 1)
		}
		server.Kill()
		eventually(t, "the log tells of the outage", func() bool { return strings.Contains(log.String(), `redis trouble" what="reading s"`) })
		server.Restart() // it has lost everything
		eventually(t, "Redis is back", func() bool { return client.Ping(t.Context()).Err() == nil })
		publish(t, client, "s", "after")
		if got := read(t, messages, 1); got[0] != "after" {
			t.Errorf("group %q: got %q, want after", group, got)
		}
		eventually(t, "the log tells of the end", func() bool { return strings.Count(log.String(), `redis trouble over" what="reading s"`) == 1 })
		if n := strings.Count(log.String(), `redis trouble" what="reading s"`); n != 1 {
			t.Errorf("group %q: the log tells %d times of the outage, want once", group, n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What Watermill's TestReconnect is for; that one reads what was published while
// another goroutine still appends to it.
func TestNothingPublishedIsLostWhenRedisRestarts(t *testing.T) {
	server := pipelinetest.RealServer(t, "--appendonly", "yes", "--appendfsync", "always")
	client := server.Client()
	messages := subscribe(t, newSubscriber(t, client, fast("g")), "s")
	publisher := newPublisher(t, client, stream.PublisherConfig{})
	const publishers, each = 8, 100
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				payload := fmt.Sprint(p, ".", i)
				for publisher.Publish("s", message.NewMessage(payload, []byte(payload))) != nil && t.Context().Err() == nil {
					time.Sleep(5 * time.Millisecond) // whether it was published is not known
				}
			}
		})
	}
	got := map[string]bool{}
	for restarts := 0; len(got) < publishers*each; {
		msg := next(t, messages)
		got[string(msg.Payload)] = true
		if restarts < 3 && len(got) > 20*(restarts+1) {
			server.Restart()
			restarts++
		}
		msg.Ack()
	}
	publishing.Wait()
}

func TestGoesOnAfterRedisHung(t *testing.T) {
	server := pipelinetest.RealServer(t)
	client := server.Client()
	messages := subscribe(t, newSubscriber(t, client, fast("g")), "s")
	server.Pause()
	time.Sleep(300 * time.Millisecond)
	server.Continue()
	publish(t, client, "s", "a")
	read(t, messages, 1)
	eventually(t, "acked", func() bool { return pending(t, client, "s", "g") == 0 })
}

func TestEntriesOfALostReplyAreDelivered(t *testing.T) {
	server := pipelinetest.Embedded(t)
	publish(t, server, "s", "a", "b")
	p := newProxy(t, server)
	fresh := "\r\n>\r\n"
	p.loseReply.Store(&fresh)
	cfg := fast("g")
	cfg.ClaimIdle = time.Hour // they are not found by claiming
	messages := subscribe(t, newSubscriber(t, p.dial(t, -1), cfg), "s")
	for _, want := range []string{"a", "b"} {
		if got := read(t, messages, 1); got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if p.loseReply.Load() != nil {
		t.Error("no reply was lost")
	}
}

func TestAcksOutliveABrokenConnection(t *testing.T) {
	server := pipelinetest.Embedded(t)
	publish(t, server, "s", "a")
	p := newProxy(t, server)
	messages := subscribe(t, newSubscriber(t, p.dial(t, -1), fast("g")), "s")
	msg := next(t, messages)
	p.cutAfter.Store(1)
	msg.Ack()
	time.Sleep(200 * time.Millisecond)
	if n := pending(t, server, "s", "g"); n != 1 {
		t.Fatalf("%d entries are pending while nothing gets through, want 1", n)
	}
	p.cutAfter.Store(0)
	eventually(t, "acked", func() bool { return pending(t, server, "s", "g") == 0 })
	none(t, messages, 100*time.Millisecond)
}
