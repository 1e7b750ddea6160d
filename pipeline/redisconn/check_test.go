package redisconn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

const checkKey = "mw:{check}:test"

func TestCheckFindsWhatAServerShouldDoOtherwise(t *testing.T) {
	need := redisconn.Need{Write: checkKey, Read: checkKey, Channel: "mw:test"}
	tests := []struct {
		name string
		args []string
		acl  []string // rules of the user "app"; none means the default user
		want string
	}{
		{name: "nothing is saved", want: "persistence is off"},
		{name: "evicts", args: []string{"--maxmemory-policy", "allkeys-lru"}, want: "set maxmemory-policy noeviction"},
		{name: "full", args: []string{"--maxmemory", "1000"}, want: "raise maxmemory"},
		{name: "replica", args: []string{"--replicaof", "127.0.0.1 1"}, want: "replica of 127.0.0.1:1"},
		{name: "INFO is forbidden", acl: []string{"~*", "&*", "+@all", "-info"}, want: "may not run INFO"},
		{name: "XADD is forbidden", acl: []string{"~*", "&*", "+@all", "-xadd"}, want: `the Redis user "app" may not run XADD to write mw:{check}:test`},
		{name: "the key may only be read", acl: []string{"%R~*", "&*", "+@all"}, want: "HSET, HDEL, DEL, XADD, XTRIM, SET to write mw:{check}:test"},
		{name: "other keys only", acl: []string{"~other:*", "&*", "+@all"}, want: "HMGET, HGETALL, XRANGE, XREVRANGE, XREAD to read mw:{check}:test"},
		{name: "channels are forbidden", acl: []string{"~*", "resetchannels", "+@all"}, want: "PUBLISH on channel mw:test"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := pipelinetest.RealServer(t, test.args...)
			url := server.URL()
			if test.acl != nil {
				rules := []any{"acl", "setuser", "app", "on", ">pw"}
				for _, rule := range test.acl {
					rules = append(rules, rule)
				}
				if err := server.Client().Do(t.Context(), rules...).Err(); err != nil {
					t.Fatal(err)
				}
				url = "unix://app:pw@" + server.Socket()
			}
			conn, _ := open(t, url, redisconn.Options{})
			findings, err := conn.Check(t.Context(), need)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(findings, func(f redisconn.Finding) bool { return strings.Contains(f.String(), test.want) }) {
				t.Errorf("got %v, want a finding with %q", findings, test.want)
			}
			<-time.After(2 * time.Millisecond)
			if n := server.Client().Exists(t.Context(), checkKey).Val(); n != 0 {
				t.Error("the check left its key behind")
			}
		})
	}
}

func TestChecksASingleServerNamedAsACluster(t *testing.T) {
	port := pipelinetest.FreePort(t)
	pipelinetest.RealServer(t, "--port", port, "--bind", "127.0.0.1")
	conn, _ := open(t, "redis+cluster://127.0.0.1:"+port, redisconn.Options{})
	findings, err := conn.Check(t.Context(), redisconn.Need{})
	if err != nil || !strings.Contains(errorText(redisconn.Problems(findings)), "no node of a Redis Cluster") {
		t.Errorf("got %v, %v, want a problem: no node of a Redis Cluster", findings, err)
	}
}

func TestAwaitWaitsForTheServer(t *testing.T) {
	server := pipelinetest.RealServer(t)
	server.Kill()
	conn, out := open(t, server.URL(), redisconn.Options{})
	done := make(chan error, 1)
	go func() { done <- conn.Await(t.Context(), redisconn.Need{Write: checkKey}) }()
	select {
	case err := <-done:
		t.Fatalf("awaiting a killed server: got %v at once", err)
	case <-time.After(300 * time.Millisecond):
	}
	server.Restart()
	if err := <-done; err != nil {
		t.Errorf("awaiting a server that came back: got %v", err)
	}
	for _, want := range []string{"waiting for redis", "redis finding", "persistence is off"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, out)
		}
	}
}

func TestAwaitReturnsProblemsAndEndsWithItsContext(t *testing.T) {
	evicting := pipelinetest.RealServer(t, "--maxmemory-policy", "volatile-lru")
	conn, _ := open(t, evicting.URL(), redisconn.Options{})
	if err := conn.Await(t.Context(), redisconn.Need{}); !strings.Contains(errorText(err), "noeviction") {
		t.Errorf("got %v, want the problem", err)
	}
	evicting.Pause()
	defer evicting.Continue()
	paused, _ := open(t, evicting.URL(), redisconn.Options{Timeout: 100 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := paused.Await(ctx, redisconn.Need{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("awaiting a paused server: got %v, want the end of the context", err)
	}
}

func TestRolesShareControlUnlessTheyHaveTheirOwn(t *testing.T) {
	urls := redisconn.URLs{Control: "redis://c", Auth: "redis://a"}
	for role, want := range map[redisconn.Role]string{
		redisconn.Control: "redis://c", redisconn.Insights: "redis://c", redisconn.Auth: "redis://a", redisconn.Limits: "redis://c",
	} {
		if got := urls.For(role); got != want {
			t.Errorf("%s: got %s, want %s", role, got, want)
		}
	}
}
