package stream_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

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
