package redis_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

func single(t *testing.T, kind pipelinetest.Kind) place {
	server := kind.Server(t)
	return place{url: server.URL(), happens: cutting(server)}
}

// cutting breaks all connections, again and again.
func cutting(server *pipelinetest.Server) func(*scenario) {
	return func(s *scenario) {
		admin := server.Client()
		for range 5 {
			for _, of := range []string{"normal", "pubsub"} {
				if err := admin.Do(s.Context(), "client", "kill", "type", of, "skipme", "yes").Err(); err != nil {
					s.Fatal(err)
				}
			}
			next := s.written.Load() + 3
			s.await("revisions between two cuts", func() bool { return s.written.Load() >= next })
		}
	}
}

func encrypted(t *testing.T, kind pipelinetest.Kind) place {
	ca, port := pipelinetest.NewAuthority(t, "ca"), pipelinetest.FreePort(t)
	cert, key := ca.Issue("redis.example")
	server := kind.Server(t, "--tls-port", port, "--bind", "127.0.0.1", "--tls-auth-clients", "no",
		"--tls-ca-cert-file", ca.Path, "--tls-cert-file", cert, "--tls-key-file", key)
	return place{url: "rediss://127.0.0.1:" + port + "?tls_ca=" + ca.Path + "&tls_server_name=redis.example", happens: cutting(server)}
}

func restricted(t *testing.T, kind pipelinetest.Kind) place {
	users, err := launch.Users(source.Instance())
	if err != nil {
		t.Fatal(err)
	}
	server := kind.Server(t)
	urls := map[string]string{}
	for _, user := range users {
		urls[user.Name] = server.User(user.Name, user.Rules...)
	}
	return place{
		url: server.URL(), happens: cutting(server), denied: server.Denied,
		agent: urls["meshweir-agent-east"], translator: urls["meshweir-translator"], ui: urls["meshweir-ui"],
	}
}

func watched(t *testing.T, kind pipelinetest.Kind) place {
	group := kind.Sentinel(t)
	return place{url: group.URL, happens: func(s *scenario) {
		group.Servers[0].Kill()
		s.awaitMaster(group.Servers[1])
	}}
}

func (s *scenario) awaitMaster(server *pipelinetest.Server) {
	s.Helper()
	admin := server.Client()
	s.await("the replica to be a master", func() bool {
		return strings.Contains(admin.Info(s.Context(), "replication").Val(), "role:master")
	})
}

// Who writes after a replica was promoted.
const (
	sameOwner    = false
	anotherOwner = true
)

// promoted is a master whose replica has not got its last writes when it takes its place, under the same address.
func promoted(another bool) func(t *testing.T, kind pipelinetest.Kind) place {
	return func(t *testing.T, kind pipelinetest.Kind) place {
		port := pipelinetest.FreePort(t)
		master := kind.Server(t, "--port", port, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
		replica := kind.Server(t, "--replicaof", "127.0.0.1 "+port)
		address := filepath.Join(master.Dir(), "address")
		if err := os.Symlink(master.Socket(), address); err != nil {
			t.Fatal(err)
		}
		return place{url: "unix://" + address, happens: func(s *scenario) {
			admin := replica.Client()
			s.await("the replica", func() bool {
				return strings.Contains(admin.Info(s.Context(), "replication").Val(), "master_link_status:up")
			})
			s.replicaOf(replica, "127.0.0.1", pipelinetest.FreePort(s)) // nobody: it keeps what it has
			lost := s.written.Load() + 20
			s.await("revisions that the replica has not got", func() bool { return s.written.Load() >= lost })
			s.writing.Lock()
			defer s.writing.Unlock()
			<-time.After(300 * time.Millisecond) // they are followed, and worked on
			master.Kill()
			if err := os.Symlink(replica.Socket(), address+".new"); err != nil {
				s.Fatal(err)
			}
			if err := os.Rename(address+".new", address); err != nil {
				s.Fatal(err)
			}
			s.replicaOf(replica, "no", "one")
			if another {
				s.succeed()
			}
		}}
	}
}

func (s *scenario) replicaOf(server *pipelinetest.Server, host, port string) {
	s.Helper()
	if err := server.Client().Do(s.Context(), "replicaof", host, port).Err(); err != nil {
		s.Fatal(err)
	}
}

func full(t *testing.T, kind pipelinetest.Kind) place {
	server := kind.Server(t)
	return place{url: server.URL(), happens: func(s *scenario) {
		s.set(server, "maxmemory", "1")
		s.awaitMet()
		s.set(server, "maxmemory", "0")
	}}
}

func (s *scenario) set(server *pipelinetest.Server, name, value string) {
	s.Helper()
	if err := server.Client().ConfigSet(s.Context(), name, value).Err(); err != nil {
		s.Fatal(err)
	}
}

// awaitMet lets what happens go on for a second, and until it was met.
func (s *scenario) awaitMet() {
	s.Helper()
	<-time.After(time.Second)
	s.await("somebody to meet "+s.meets, s.hasMet)
}

func readOnly(t *testing.T, kind pipelinetest.Kind) place {
	server := kind.Server(t)
	return place{url: server.URL(), happens: func(s *scenario) {
		s.replicaOf(server, "127.0.0.1", pipelinetest.FreePort(s))
		s.awaitMet()
		s.replicaOf(server, "no", "one")
	}}
}

// keeping is a server that has on disk what it acknowledged.
func keeping(t *testing.T, kind pipelinetest.Kind) *pipelinetest.Server {
	return kind.Server(t, "--appendonly", "yes", "--appendfsync", "always")
}

func loading(t *testing.T, kind pipelinetest.Kind) place {
	server := keeping(t, kind)
	return place{url: server.URL(), happens: func(s *scenario) {
		filler := server.Client().Pipeline()
		for i := range 10_000 {
			filler.Set(s.Context(), fmt.Sprintf("filler:%d", i), i, 0)
		}
		if _, err := filler.Exec(s.Context()); err != nil {
			s.Fatal(err)
		}
		server.Args = append(server.Args, "--key-load-delay", "150") // µs, as if there were much more
		server.Restart()
	}}
}

func restarted(t *testing.T, kind pipelinetest.Kind) place {
	server := keeping(t, kind)
	return place{url: server.URL(), happens: func(s *scenario) {
		server.Stop()
		server.Restart()
		next := s.written.Load() + 20
		s.await("revisions after the restart", func() bool { return s.written.Load() >= next })
		server.Kill()
		server.Restart()
	}}
}

// clusterOf is a Cluster of six, to which something happens.
func clusterOf(happens func(*scenario, *pipelinetest.Group)) func(t *testing.T, kind pipelinetest.Kind) place {
	return func(t *testing.T, kind pipelinetest.Kind) place {
		group := kind.Cluster(t, 1)
		return place{url: group.URL, happens: func(s *scenario) { happens(s, group) }}
	}
}

func failOver(s *scenario, group *pipelinetest.Group) {
	for _, replica := range group.Servers[3:] {
		if err := replica.Client().ClusterFailover(s.Context()).Err(); err != nil {
			s.Fatal(err)
		}
		s.awaitMaster(replica)
	}
}

func killMaster(s *scenario, group *pipelinetest.Group) {
	master, _ := s.holder(group, source)
	group.Servers[master].Kill()
	s.awaitMaster(group.Servers[master+3])
}

// holder returns which master holds a keyspace, and its slot.
func (s *scenario) holder(group *pipelinetest.Group, name keyspace.Name) (master int, slot int64) {
	s.Helper()
	slot, err := group.Servers[0].Client().ClusterKeySlot(s.Context(), name.MetaKey()).Result()
	if err != nil {
		s.Fatal(err)
	}
	return int(slot * 3 / 16384), slot
}

// migrate moves the slots of both keyspaces to another master each, key by key.
func migrate(s *scenario, group *pipelinetest.Group) {
	ctx := s.Context()
	do := func(server *pipelinetest.Server, args ...any) {
		s.Helper()
		if err := server.Client().Do(ctx, args...).Err(); err != nil {
			s.Fatalf("%v: %v", args, err)
		}
	}
	for _, name := range []keyspace.Name{source, output} {
		at, slot := s.holder(group, name)
		from, to, addr := group.Servers[at], group.Servers[(at+1)%3], group.Addrs[(at+1)%3]
		fromID, toID := from.Client().ClusterMyID(ctx).Val(), to.Client().ClusterMyID(ctx).Val()
		do(to, "cluster", "setslot", slot, "importing", fromID)
		do(from, "cluster", "setslot", slot, "migrating", toID)
		moved := 0
		for {
			keys, err := from.Client().ClusterGetKeysInSlot(ctx, int(slot), 1).Result()
			if err != nil {
				s.Fatal(err)
			}
			if len(keys) == 0 {
				break
			}
			host, port, _ := strings.Cut(addr, ":")
			do(from, "migrate", host, port, keys[0], 0, 5000)
			moved++
			<-time.After(50 * time.Millisecond)
		}
		for _, server := range []*pipelinetest.Server{to, from, group.Servers[(at+2)%3]} {
			do(server, "cluster", "setslot", slot, "node", toID)
		}
		if moved < 3 {
			s.Errorf("%d keys of %s moved, want several", moved, name)
		}
	}
}
