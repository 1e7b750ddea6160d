package keyspace_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

func TestRulesNameTheKeysOfAnAccess(t *testing.T) {
	tests := []struct {
		name   string
		access keyspace.Access
		want   []string // of each selector, the keys and one command
		never  []string
	}{
		{
			"its own keyspaces",
			keyspace.Access{Writes: []string{"snapshot/east"}, Reads: []string{"output/east"}},
			[]string{"(%R~mw:{snapshot/east}:* %R~mw:{output/east}:* +get", "(~mw:{snapshot/east}:* +hdel"},
			[]string{"sadd", "xgroup", "xtrim", "subscribe"},
		},
		{
			"all of a kind, with a group",
			keyspace.Access{Writes: []string{"view/*"}, Reads: []string{"snapshot/*"}, Group: "ui"},
			[]string{
				"(%R~mw:{view/*}:* %R~mw:{snapshot/*}:* +get", "(~mw:{view/*}:* +hdel", "(~mw:{snapshot/*}:events +xack",
				"(~mw:{dead}:ui +xadd", "(~mw:{directory}:names +sadd",
			},
			[]string{"xinfo"},
		},
		{"reading alone", keyspace.Access{Reads: []string{"output/east"}}, []string{"(%R~mw:{output/east}:* +get"}, []string{"hset", "publish"}},
		{
			"a tidy one",
			keyspace.Access{Reads: []string{"output/east"}, Tidies: true},
			[]string{"(%R~mw:{output/east}:* +get", "(~mw:{*}:events +watch"},
			[]string{"hset", "xadd"},
		},
		{
			"an operator",
			keyspace.Access{Operates: true},
			[]string{"(%R~mw:* +get", "(~mw:{*}:events +xadd)", "(~mw:{dead}:* +xdel)"},
			[]string{"hset", "hdel", "sadd", "unlink", "publish", "xack", "xtrim", "xgroup"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := tt.access.Rules()
			if err != nil {
				t.Fatal(err)
			}
			var selectors []string
			for _, rule := range rules {
				if strings.HasPrefix(rule, "(") {
					selectors = append(selectors, rule)
				} else if strings.ContainsAny(rule, "~%") {
					t.Errorf("%s lets every command at keys", rule)
				}
			}
			if !slices.EqualFunc(selectors, tt.want, strings.HasPrefix) {
				t.Errorf("got  %q\nwant %q", selectors, tt.want)
			}
			for _, command := range tt.never {
				if strings.Contains(strings.Join(rules, " "), "+"+command) {
					t.Errorf("%s is allowed by %q", command, rules)
				}
			}
		})
	}
}

func TestRulesAreRefusedForWhatIsNoKeyspace(t *testing.T) {
	for _, access := range []keyspace.Access{
		{},
		{Writes: []string{"snapshot"}},
		{Writes: []string{"*"}},
		{Reads: []string{"*/east"}},
		{Reads: []string{"snapshot/east ~*"}},
		{Writes: []string{"snapshot/e?st"}},
		{Reads: []string{"snapshot/east*"}},
	} {
		if rules, err := access.Rules(); err == nil {
			t.Errorf("%+v gave %v", access, rules)
		}
	}
}

// as returns clients of a user that may do what an access says.
func as(t *testing.T, server *pipelinetest.Server, user string, access keyspace.Access) *redisconn.Conn {
	t.Helper()
	rules, err := access.Rules()
	must(t, err)
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), server.User(user, rules...), redisconn.Options{})
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAUserMayDoAllThatThePipelineDoes(t *testing.T) {
	server := pipelinetest.RealServer(t)
	t.Cleanup(func() {
		if denied := server.Denied(); len(denied) > 0 {
			t.Errorf("the server refused %q", denied)
		}
	})
	service := as(t, server, "service", keyspace.Access{
		Writes: []string{"snapshot/*", "output/*", "apikey/*"}, Reads: []string{"snapshot/*"}, Group: "translator", Tidies: true,
	})
	must(t, service.Await(t.Context(), redisconn.Need{}))
	admin := server.Client()
	writeEveryKind(t, service.Client, admin)

	// Damage is mended.
	must(t, admin.Del(t.Context(), snapshot.EventsKey()).Err())
	must(t, admin.Set(t.Context(), snapshot.EventsKey(), "x", 0).Err())
	store := open(t, service.Client, keyspace.Config{Blocking: service.Blocking})
	owner := store.Owned(snapshot, "uid")
	flush(t, owner, state{"a": "2", "b": "1"})
	follow(t, store, snapshot).await(t, snapshot, state{"a": "2", "b": "1"})
	owner.Delete("b")
	must(t, owner.Flush(t.Context()))
	if _, err := store.Beats(t.Context(), snapshot); err != nil {
		t.Error(err)
	}
	if _, _, err := store.Get(t.Context(), snapshot, "a"); err != nil {
		t.Error(err)
	}
	janitor, err := stream.NewJanitor(slog.New(slog.DiscardHandler), service.Client, stream.JanitorConfig{Expand: store.AllEventStreams, Keep: 1, MaxLength: 1})
	must(t, err)
	must(t, janitor.Sweep(t.Context()))

	// Who may not write the directory does not try.
	agent := as(t, server, "agent", keyspace.Access{Writes: []string{"snapshot/west"}, Reads: []string{"output/west"}})
	must(t, agent.Await(t.Context(), redisconn.Need{}))
	private := open(t, agent.Client, keyspace.Config{Blocking: agent.Blocking, Unlisted: true})
	west := private.Owned("snapshot/west", "uid")
	flush(t, west, state{"a": "1"})
	must(t, west.Check(t.Context()))
	follow(t, private, "output/west")
}

func TestAUserMayDoNothingElse(t *testing.T) {
	server := pipelinetest.RealServer(t)
	admin := open(t, server.Client(), keyspace.Config{})
	for _, name := range []keyspace.Name{"snapshot/east", "snapshot/west", "output/east", "output/west", "registry/clusters"} {
		flush(t, admin.Owned(name, "uid"), state{"a": "1"})
	}
	agent := keyspace.Access{Writes: []string{"snapshot/east"}, Reads: []string{"output/east"}}
	translator := keyspace.Access{
		Writes: []string{"output/*"}, Reads: []string{"snapshot/*", "registry/*"}, Group: "translator", Tidies: true,
	}
	everybody := [][]any{
		{"flushall"},
		{"flushdb"},
		{"config", "get", "*"},
		{"config", "set", "save", ""},
		{"keys", "*"},
		{"scan", 0},
		{"acl", "list"},
		{"acl", "whoami"},
		{"eval", "return 1", 0},
		{"script", "flush"},
		{"monitor"},
		{"shutdown", "nosave"},
		{"save"},
		{"client", "list"},
		{"client", "kill", "x:1"},
		{"psubscribe", "*"},
		{"publish", "other", "x"},
		{"randomkey"},
		{"dbsize"},
		{"get", "foreign"},
		{"set", "foreign", "x"},
		{"replicaof", "no", "one"},
		{"del", snapshot.MetaKey()},
		{"rename", snapshot.MetaKey(), "x"},
		{"copy", snapshot.MetaKey(), "x"},
		{"expire", snapshot.MetaKey(), 1},
		{"hset", keyspace.Name("registry/clusters").BucketKey(0), "a", "1"},
		{"unlink", keyspace.Name("registry/clusters").MetaKey()},
		{"srem", keyspace.DirectoryKey, "snapshot/west"},
		{"unlink", keyspace.DirectoryKey},
	}
	operator := keyspace.Access{Operates: true}
	tests := []struct {
		user   string
		access keyspace.Access
		never  [][]any
	}{
		{"agent", agent, [][]any{
			{"hset", keyspace.Name("snapshot/west").BucketKey(0), "a", "1"},
			{"hget", keyspace.Name("snapshot/west").BucketKey(0), "a"},
			{"xadd", keyspace.Name("snapshot/west").EventsKey(), "*", "a", "1"},
			{"set", keyspace.Name("snapshot/west").BeatKey(), "x"},
			{"hgetall", keyspace.Name("output/west").BucketKey(0)},
			{"xread", "streams", keyspace.Name("output/west").EventsKey(), "0"},
			{"xread", "streams", output.EventsKey(), keyspace.Name("output/west").EventsKey(), "0", "0"},
			{"hset", output.BucketKey(0), "a", "1"},
			{"xadd", output.EventsKey(), "*", "a", "1"},
			{"unlink", output.MetaKey()},
			{"smembers", keyspace.DirectoryKey},
			{"sadd", keyspace.DirectoryKey, "snapshot/north"},
			{"subscribe", "other"},
			{"xtrim", snapshot.EventsKey(), "maxlen", 0},
			{"xgroup", "create", output.EventsKey(), "g", "0"},
			{"hget", "mw:{snapshot/east}x", "a"},
		}},
		{"translator", translator, [][]any{
			{"hset", snapshot.BucketKey(0), "a", "1"},
			{"xadd", snapshot.EventsKey(), "*", "a", "1"},
			{"unlink", snapshot.EventsKey()},
			{"set", snapshot.BeatKey(), "x"},
			{"hget", keyspace.Name("apikey/fleet").BucketKey(0), "a"},
			{"xrange", keyspace.DeadLettersKey("ui"), "-", "+"},
			{"xgroup", "destroy", snapshot.EventsKey(), "ui"},
			{"xdel", snapshot.EventsKey(), "0-1"},
			{"xtrim", keyspace.DeadLettersKey("ui"), "maxlen", 0},
		}},
		{"operator", operator, [][]any{
			{"hset", snapshot.BucketKey(0), "a", "1"},
			{"hset", snapshot.MetaKey(), "revision", "9"},
			{"hdel", output.BucketKey(0), "a"},
			{"set", snapshot.BeatKey(), "x"},
			{"unlink", snapshot.EventsKey()},
			{"xdel", snapshot.EventsKey(), "0-1"},
			{"xtrim", snapshot.EventsKey(), "maxlen", 0},
			{"xgroup", "create", snapshot.EventsKey(), "g", "0"},
			{"xgroup", "destroy", snapshot.EventsKey(), "ui"},
			{"xreadgroup", "group", "ui", "c", "streams", snapshot.EventsKey(), ">"},
			{"xack", snapshot.EventsKey(), "ui", "0-1"},
			{"xadd", keyspace.DeadLettersKey("ui"), "*", "a", "1"},
			{"xadd", snapshot.MetaKey(), "*", "a", "1"},
			{"unlink", keyspace.DeadLettersKey("ui")},
			{"sadd", keyspace.DirectoryKey, "snapshot/north"},
			{"publish", keyspace.AnnounceChannel, "snapshot/north"},
			{"memory", "doctor"},
			{"hgetall", "foreign"},
		}},
	}
	for _, tt := range tests {
		client := as(t, server, tt.user, tt.access).Client
		must(t, client.HGet(t.Context(), output.MetaKey(), "epoch").Err()) // what it may do, it can
		for _, command := range slices.Concat(everybody, tt.never) {
			if err := client.Do(t.Context(), command...).Err(); !redis.IsPermissionError(err) {
				t.Errorf("%s: %v: got %v, want NOPERM", tt.user, command, err)
			}
		}
	}
}
