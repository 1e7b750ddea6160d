package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// system is the running product: an agent for each cluster, two translators, insights and the dashboard, on a redis-server that
// has a replica. Each process reaches it over a connection of its own, which may be cut or slowed down.
type system struct {
	t        *testing.T
	fleet    *fleet
	recorder *recorder
	patience time.Duration

	// master and replica change places in a failover. replication is the connection between them.
	master, replica *node
	replication     *toxiproxy.Proxy
	proxies         map[string]*toxiproxy.Proxy
	processes       map[string]*program.Program
	// health is where each process says how it does, host:port.
	health map[string]string
	busy   map[string]bool
}

// node is a redis-server.
type node struct {
	*pipelinetest.Server
	port   string
	client redis.UniversalClient
}

func (n *node) address() string { return "127.0.0.1:" + n.port }

// start starts the product on binaries of its services, and on the first manifests of a fleet.
func start(t *testing.T, services string, f *fleet, variables ...string) *system {
	t.Helper()
	s := &system{
		t: t, fleet: f, proxies: map[string]*toxiproxy.Proxy{}, processes: map[string]*program.Program{}, health: map[string]string{}, busy: map[string]bool{},
	}
	control := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := func(name, to string) *toxiproxy.Proxy {
		p := toxiproxy.NewProxy(control, name, "127.0.0.1:0", to)
		s.must(p.Start())
		t.Cleanup(p.Stop)
		return p
	}
	s.master = newNode(t)
	s.replication = proxy("replication", s.master.address())
	s.replica = newNode(t, s.follows()...)
	s.awaitReplica()

	log, err := os.Create(filepath.Join(filepath.Dir(f.live), "recorder.log"))
	s.must(err)
	s.must(f.begin())
	s.recorder, err = record(f.live, f.clusters, log)
	s.must(err)
	t.Cleanup(func() { s.must(errors.Join(s.recorder.close(), log.Close())) })

	run := func(name, command string, args ...string) {
		s.proxies[name] = proxy(name, s.master.address())
		s.health[name] = "127.0.0.1:" + pipelinetest.FreePort(t)
		s.processes[name] = program.Start(t, program.Config{
			Path: filepath.Join(services, command), Env: variables, Log: filepath.Join(filepath.Dir(f.live), name+".log"),
			Args: append(args, "--redis-control", "redis://"+s.proxies[name].Listen, "--health-listen", s.health[name]),
		})
	}
	for _, cluster := range f.clusters {
		run("agent-"+cluster, "agent", "--cluster", cluster, "--clusters", f.live)
	}
	for i := range 2 {
		// Repair would hide what events fail to bring: nobody may have to wait for it.
		run(fmt.Sprint("translator-", i), "translator", "--repair-every", "1h")
	}
	run("insights", "insights")
	run("ui", "ui", "--listen", "127.0.0.1:"+pipelinetest.FreePort(t))
	return s
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func newNode(t *testing.T, args ...string) *node {
	t.Helper()
	port := pipelinetest.FreePort(t)
	server := pipelinetest.RealServer(t, slices.Concat(alone(port), args)...)
	return &node{server, port, server.Client()}
}

// alone are the arguments of a redis-server that keeps what it has over a restart.
func alone(port string) []string {
	return []string{"--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--repl-diskless-sync-delay", "0"}
}

// follows are the arguments that make a redis-server the replica of whoever is at the end of the connection for it.
func (s *system) follows() []string {
	return []string{"--replicaof", strings.Replace(s.replication.Listen, ":", " ", 1)}
}

func (s *system) awaitReplica() {
	s.t.Helper()
	s.eventually("the replica to follow", time.Minute, func() (string, bool) {
		info, err := s.replica.client.Info(s.t.Context(), "replication").Result()
		return fmt.Sprint(info, err), strings.Contains(info, "master_link_status:up")
	})
}

// failOver kills the master and puts its replica in its place; the old master comes back as the replica of that.
func (s *system) failOver() {
	s.t.Helper()
	s.master.Kill()
	s.must(s.replica.client.Do(s.t.Context(), "replicaof", "no", "one").Err())
	s.master, s.replica = s.replica, s.master
	s.master.Args = alone(s.master.port)
	for _, p := range s.all() {
		s.must(p.Update(&toxiproxy.Proxy{Listen: p.Listen, Upstream: s.master.address(), Enabled: p.Enabled})) // one that is cut stays so
	}
	s.must(s.replication.Update(&toxiproxy.Proxy{Listen: s.replication.Listen, Upstream: s.master.address(), Enabled: true}))
	s.replica.Args = append(alone(s.replica.port), s.follows()...)
	s.replica.Restart()
	s.awaitReplica()
}

func (s *system) all() []*toxiproxy.Proxy { return slices.Collect(maps.Values(s.proxies)) }

// toxic does harm to connections both ways, until the function that it returns is called.
func (s *system) toxic(kind, attributes string, proxies ...*toxiproxy.Proxy) (end func()) {
	s.t.Helper()
	ways := []string{"upstream", "downstream"}
	for _, p := range proxies {
		for _, way := range ways {
			_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, way, kind, way, attributes)))
			s.must(err)
		}
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, p := range proxies {
			for _, way := range ways {
				s.must(p.Toxics.RemoveToxic(ctx, way))
			}
		}
	}
}

// eventually waits until something holds.
func (s *system) eventually(what string, patience time.Duration, holds func() (why string, ok bool)) {
	s.t.Helper()
	if why, ok := wait(patience, holds); !ok {
		s.t.Fatalf("waited in vain for %s: %s", what, why)
	}
}

func wait(patience time.Duration, holds func() (string, bool)) (why string, ok bool) {
	for deadline := time.Now().Add(patience); ; {
		if why, ok = holds(); ok || time.Now().After(deadline) {
			return why, ok
		}
		<-time.After(25 * time.Millisecond)
	}
}

// pick returns the name of a process that begins with one of the prefixes and that nothing is done to yet, and marks it.
func (s *system) pick(prefixes ...string) string {
	var free []string
	for _, name := range slices.Sorted(maps.Keys(s.processes)) {
		if !s.busy[name] && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			free = append(free, name)
		}
	}
	if len(free) == 0 {
		return ""
	}
	name := free[s.fleet.random.IntN(len(free))]
	s.busy[name] = true
	return name
}

func (s *system) again(name string) { s.processes[name] = s.processes[name].Again() }
