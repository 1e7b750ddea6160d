package redisconn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens url; what it logs is in the returned buffer.
func open(t *testing.T, url string, o redisconn.Options) (*redisconn.Conn, *pipelinetest.Buffer) {
	t.Helper()
	out := &pipelinetest.Buffer{}
	conn, err := redisconn.Open(slog.New(slog.NewTextHandler(out, nil)), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, out
}

// works writes by one client and reads by the other.
func works(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	id, err := conn.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"a", "b"}}).Result()
	if err != nil {
		t.Fatalf("writing to %s: %v", conn, err)
	}
	got, err := conn.Blocking.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"s", "0"}, Block: time.Second}).Result()
	if err != nil || len(got) != 1 || got[0].Messages[len(got[0].Messages)-1].ID != id {
		t.Fatalf("reading from %s: got %v, %v, want entry %s", conn, got, err, id)
	}
}

// recovers waits until the server takes writes again. After many errors the
// library dials once a second only, so that takes a moment.
func recovers(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := conn.Client.Set(t.Context(), "recovered", "1", 0).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still no answer after a minute: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func TestOpensEmbedded(t *testing.T) {
	defer goleak.VerifyNone(t)
	server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := redisconn.Open(slog.New(slog.DiscardHandler), server.URL(), redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	works(t, conn)
	findings, err := conn.Check(t.Context(), redisconn.Need{Write: "mw:{check}:x", Read: "mw:{check}:x", Channel: "mw:x"})
	if err != nil || len(findings) != 1 || findings[0].Severity != redisconn.Note {
		t.Errorf("checking: got %v, %v, want one note", findings, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestEmbeddedListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":6379", "0.0.0.0:0", "192.0.2.1:6379", "example.com:1", "nonsense"} {
		if server, err := redisconn.StartEmbedded(slog.New(slog.DiscardHandler), addr); err == nil {
			server.Close()
			t.Errorf("started on %q", addr)
		}
	}
}

func TestOpensUnixSocketAndDatabase(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, _ := open(t, server.URL()+"?db=3", redisconn.Options{Name: "tester"})
	works(t, conn)
	if list := conn.Client.ClientList(t.Context()).Val(); !strings.Contains(list, "name=tester") || !strings.Contains(list, "db=3") {
		t.Errorf("the server lists %s, want name=tester and db=3", list)
	}
}

func TestOpensTLSWithClientCertificate(t *testing.T) {
	ca := pipelinetest.NewAuthority(t, "ca")
	serverCert, serverKey := ca.Issue("redis.example")
	clientCert, clientKey := ca.Issue("client")
	port := pipelinetest.FreePort(t)
	pipelinetest.RealServer(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-auth-clients", "yes",
		"--tls-ca-cert-file", ca.Path, "--tls-cert-file", serverCert, "--tls-key-file", serverKey)
	base := "rediss://127.0.0.1:" + port + "?tls_ca=" + ca.Path

	conn, _ := open(t, base+"&tls_server_name=redis.example&tls_cert="+clientCert+"&tls_key="+clientKey, redisconn.Options{})
	works(t, conn)

	refused := map[string]string{
		"no client certificate":    base,
		"another authority":        "rediss://127.0.0.1:" + port + "?tls_ca=" + pipelinetest.NewAuthority(t, "other").Path,
		"another name":             base + "&tls_server_name=other.example&tls_cert=" + clientCert + "&tls_key=" + clientKey,
		"no TLS":                   "redis://127.0.0.1:" + port,
		"the system's authorities": "rediss://127.0.0.1:" + port,
	}
	for name, url := range refused {
		conn, _ := open(t, url, redisconn.Options{Timeout: 2 * time.Second})
		if err := conn.Client.Ping(t.Context()).Err(); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
}

func TestOpenRefusesFilesThatItCannotUse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ca := pipelinetest.NewAuthority(t, "ca")
	cert, _ := ca.Issue("a")
	tests := []struct{ url, want string }{
		{"rediss://h?tls_ca=/nowhere", "reading tls_ca"},
		{"rediss://h?tls_ca=" + empty, "no certificate in PEM form"},
		{"rediss://h?tls_cert=" + cert + "&tls_key=" + empty, "reading tls_cert and tls_key"},
		{"redis://h?password_file=/nowhere", "reading password_file"},
		{"redis://h?password_file=" + empty, "is empty"},
		{"redis+sentinel://h/m?sentinel_password_file=" + empty, "is empty"},
	}
	for _, test := range tests {
		if conn, err := redisconn.Open(slog.New(slog.DiscardHandler), test.url, redisconn.Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", test.url, conn, err, test.want)
		}
	}
}

func TestPasswordFileIsReadForEachConnection(t *testing.T) {
	server := pipelinetest.RealServer(t)
	admin := server.Client()
	setPassword := func(password string) {
		t.Helper()
		if err := admin.Do(t.Context(), "acl", "setuser", "app", "on", "resetpass", ">"+password, "~*", "&*", "+@all").Err(); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "password")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setPassword("first")
	write("first")
	conn, _ := open(t, "unix://app@"+server.Socket()+"?password_file="+path, redisconn.Options{})
	works(t, conn)

	setPassword("second")
	write("second")
	if err := admin.ClientKillByFilter(t.Context(), "user", "app").Err(); err != nil {
		t.Fatal(err)
	}
	works(t, conn)
}

func TestOpensSentinelAndFollowsAFailover(t *testing.T) {
	group := pipelinetest.RealSentinel(t)
	conn, _ := open(t, group.URL, redisconn.Options{Timeout: time.Second})
	works(t, conn)
	if findings, err := conn.Check(t.Context(), redisconn.Need{Write: "mw:{check}:x"}); err != nil || redisconn.Problems(findings) != nil {
		t.Errorf("checking: got %v, %v, want no problems", findings, err)
	}

	group.Servers[0].Kill()
	recovers(t, conn)
	works(t, conn)
}

func TestOpensCluster(t *testing.T) {
	cluster := pipelinetest.RealCluster(t)
	conn, out := open(t, cluster.URL, redisconn.Options{})
	works(t, conn)
	findings, err := conn.Check(t.Context(), redisconn.Need{Write: "mw:{check}:x", Read: "mw:{check}:y", Channel: "mw:x"})
	if err != nil || redisconn.Problems(findings) != nil {
		t.Errorf("checking: got %v, %v, want no problems", findings, err)
	}
	nodes := map[string]bool{}
	for _, f := range findings {
		nodes[f.Node] = true
	}
	if len(nodes) != 3 {
		t.Errorf("got findings %v, want one (no persistence) for each node", findings)
	}

	single, _ := open(t, "redis://"+cluster.Addrs[0], redisconn.Options{})
	if findings, err := single.Check(t.Context(), redisconn.Need{}); err != nil || !strings.Contains(errorText(redisconn.Problems(findings)), "redis+cluster://") {
		t.Errorf("a node as redis://: got %v, %v, want a problem that names redis+cluster://", findings, err)
	}

	cluster.Servers[0].Kill()
	dead := "address=" + cluster.Addrs[0]
	for again, i := 0, 0; again < 30 && i < 500; i++ { // a third of the keys are the dead node's
		if strings.Contains(out.String(), dead) {
			again++
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		conn.Client.Set(ctx, fmt.Sprint("k", i), "v", 0)
		cancel()
	}
	if n := strings.Count(out.String(), dead); n != 1 || !strings.Contains(out.String(), "redis unreachable") {
		t.Errorf("logged the dead node %d times, want once:\n%s", n, out)
	}
}

func TestClusterThatFailedOverIsFollowedSoon(t *testing.T) {
	cluster := pipelinetest.Redis.Cluster(t, 1)
	conn, _ := open(t, cluster.URL, redisconn.Options{Timeout: time.Second})
	works(t, conn)
	const key = "b" // of the first third of the slots
	cluster.Servers[0].Kill()
	for began := time.Now(); ; <-time.After(50 * time.Millisecond) {
		err := conn.Client.Watch(t.Context(), func(tx *redis.Tx) error { return tx.Set(t.Context(), key, "v", 0).Err() }, key)
		if err == nil {
			break
		}
		if time.Since(began) > 30*time.Second { // the library alone asks once a minute
			t.Fatalf("%s after the end of a master: %v", time.Since(began), err)
		}
	}
}

func TestBlockingClientOutwaitsTheTimeout(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, _ := open(t, server.URL(), redisconn.Options{Timeout: 500 * time.Millisecond})
	recovers(t, conn)
	// Not XRead, for which the library stretches the timeout itself.
	if err := conn.Blocking.Do(t.Context(), "xread", "block", 1500, "streams", "s", "$").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("a read that waits 1.5 s with a timeout of 500 ms: got %v, want nothing to read", err)
	}
}

func TestBlockingReadsDoNotWaitForEachOther(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, _ := open(t, server.URL(), redisconn.Options{Timeout: time.Minute})
	const readers = 64 // more than the library's pool would hold
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			if err := conn.Blocking.Do(t.Context(), "xread", "block", 60_000, "streams", "s", "$").Err(); err != nil {
				t.Errorf("reading: %v", err)
			}
		})
	}
	blocked := func() string { return conn.Client.Info(t.Context(), "clients").Val() }
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(blocked(), fmt.Sprintf("blocked_clients:%d\r", readers)); {
		if time.Now().After(deadline) {
			t.Errorf("%d readers wait for each other:\n%s", readers, blocked())
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := conn.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"a", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func TestLogsAnOutageOnceAndItsEnd(t *testing.T) {
	server := pipelinetest.RealServer(t)
	conn, out := open(t, server.URL(), redisconn.Options{})
	works(t, conn)
	server.Kill()
	for range 5 {
		if conn.Client.Ping(t.Context()).Err() == nil {
			t.Fatal("a killed server answered")
		}
	}
	server.Restart()
	recovers(t, conn)
	if down, up := strings.Count(out.String(), "redis unreachable"), strings.Count(out.String(), "redis reachable again"); down != 1 || up != 1 {
		t.Errorf("logged %d outages and %d ends, want one of each:\n%s", down, up, out)
	}
}

func TestPasswordsShowNowhere(t *testing.T) {
	server := pipelinetest.RealServer(t, "--requirepass", "right")
	conn, out := open(t, "unix://:wr0ngpassw0rd@"+server.Socket(), redisconn.Options{})
	err := conn.Await(t.Context(), redisconn.Need{})
	if !redis.IsAuthError(err) {
		t.Errorf("awaiting with a wrong password: got %v, want an authentication error at once", err)
	}
	closed, closedOut := open(t, "redis://u:wr0ngpassw0rd@127.0.0.1:"+pipelinetest.FreePort(t), redisconn.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	closedErr := closed.Await(ctx, redisconn.Need{})
	if closedErr == nil {
		t.Error("awaiting a closed port: got no error")
	}
	for _, text := range []string{errorText(err), out.String(), conn.String(), errorText(closedErr), closedOut.String(), errorText(closed.Client.Ping(t.Context()).Err())} {
		if strings.Contains(text, "wr0ngpassw0rd") {
			t.Errorf("the password shows in %s", text)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
