package stream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// allowed returns a client whose user may run these commands, and those of every user, on all keys.
func allowed(t *testing.T, server *pipelinetest.Server, user string, commands ...string) redis.UniversalClient {
	t.Helper()
	rules := []string{"~*"}
	for _, command := range slices.Concat(redisconn.Commands(), []string{"multi", "exec", "unwatch"}, commands) {
		rules = append(rules, "+"+command)
	}
	conn, err := redisconn.Open(quiet(), server.User(user, rules...), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.Client
}

func TestCommandsAreAllThatAServiceNeeds(t *testing.T) {
	server := pipelinetest.RealServer(t)
	t.Cleanup(func() {
		if denied := server.Denied(); len(denied) > 0 {
			t.Errorf("the server refused %q", denied)
		}
	})
	admin := server.Client()
	worker := allowed(t, server, "worker", stream.GroupCommands()...)
	letters, err := stream.NewDeadLetters(allowed(t, server, "letters", stream.DeadLetterCommands()...), "dead", stream.DeadLettersConfig{MaxLength: 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := fast("g")
	cfg.ClaimIdle, cfg.DeadLetters = 100*time.Millisecond, letters
	first := newSubscriber(t, worker, cfg)
	publish(t, admin, "s", "a", "b", "c")
	messages := subscribe(t, first, "s")
	next(t, messages).Nack() // its attempts are written down
	next(t, messages).Ack()
	next(t, messages) // in hand for so long that it is kept alive
	eventually(t, "the message in hand to be kept alive", func() bool {
		info, err := admin.InfoMap(t.Context(), "commandstats").Result()
		return err == nil && info["Commandstats"]["cmdstat_xclaim"] != ""
	})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	publish(t, admin, "s", "d")
	give(t, admin, "s", "g", "dead", 1)        // and never acked
	for _, value := range []string{"x", "y"} { // no messages
		if err := admin.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"field", value}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	second := newSubscriber(t, worker, cfg)
	messages = subscribe(t, second, "s")
	read(t, messages, 1)
	go gather(messages, 10, patience)
	eventually(t, "everything to be done", func() bool { return pending(t, admin, "s", "g") == 0 && admin.XLen(t.Context(), "dead").Val() > 0 })
	if err := second.Close(); err != nil {
		t.Error(err)
	}

	janitor := allowed(t, server, "janitor", stream.JanitorCommands()...)
	ackAll(t, admin, "s", "g")
	sweep(t, janitor, stream.JanitorConfig{Keep: 1, MaxLength: 1, ConsumerIdle: 1}, "s")

	if len(admin.XInfoConsumers(t.Context(), "s", "g").Val()) > 0 {
		t.Error("idle consumers are left: the janitor was refused them")
	}
}
