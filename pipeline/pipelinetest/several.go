package pipelinetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on. It is below those that systems give to connections
// and to listeners at port 0 (RFC 6335: from 49152 on; Linux: from 32768 on), which could take it before it is used.
func FreePort(t testing.TB) string {
	t.Helper()
	const lowest, highest = 10_000, 32_000
	var err error
	for range 100 {
		port := strconv.Itoa(lowest + rand.IntN(highest-lowest))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatalf("looking for a free port: %v", err)
	return ""
}

// Group is several servers that work together.
type Group struct {
	// Servers are the processes that hold data.
	Servers []*Server
	// Addrs are their TCP addresses, in the same order.
	Addrs []string
	// URL is the group's address as redisconn takes it.
	URL string

	// Sentinel watches the servers; nil in a Cluster.
	Sentinel *Server
}

// clusterSlots is the number of hash slots of a Redis Cluster.
const clusterSlots = 16384

// RealCluster is [Kind.Cluster] of Redis, without replicas.
func RealCluster(t testing.TB) *Group {
	t.Helper()
	return Redis.Cluster(t, 0)
}

// Cluster starts a Redis Cluster of three masters, and so many replicas of each:
// the first three Servers are the masters, the next three the first replica of
// each. A replica becomes the master within a few seconds of its master's end.
// The test is left out where there is no such server.
func (k Kind) Cluster(t testing.TB, replicas int) *Group {
	t.Helper()
	const masters = 3
	nodes := masters * (1 + replicas)
	g := &Group{}
	ports := make([][2]string, nodes) // for clients, and for the other nodes
	for i := range ports {
		ports[i] = [2]string{FreePort(t), FreePort(t)}
		g.Addrs = append(g.Addrs, "127.0.0.1:"+ports[i][0])
		g.Servers = append(g.Servers, k.Server(t, "--port", ports[i][0], "--cluster-enabled", "yes",
			"--cluster-port", ports[i][1], "--cluster-node-timeout", "1500", "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"))
	}
	g.URL = "redis+cluster://" + strings.Join(g.Addrs, ",")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, s := range g.Servers {
		client := s.Client()
		if i < masters {
			first, last := i*clusterSlots/masters, (i+1)*clusterSlots/masters-1
			must(t, client.ClusterAddSlotsRange(ctx, first, last).Err())
		}
		must(t, client.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		if i > 0 {
			must(t, client.Do(ctx, "cluster", "meet", "127.0.0.1", ports[0][0], ports[0][1]).Err())
		}
	}
	for i, s := range g.Servers {
		client := s.Client()
		await(ctx, t, "the Redis Cluster", func() bool {
			state := client.ClusterInfo(ctx).Val()
			return strings.Contains(state, "cluster_state:ok") && strings.Contains(state, fmt.Sprintf("cluster_known_nodes:%d", nodes))
		})
		if i < masters {
			continue
		}
		master := g.Servers[i%masters].Client().ClusterMyID(ctx).Val()
		await(ctx, t, "the replica to know its master", func() bool { return client.ClusterReplicate(ctx, master).Err() == nil })
		await(ctx, t, "the replica", func() bool {
			return strings.Contains(client.Info(ctx, "replication").Val(), "master_link_status:up")
		})
	}
	for _, s := range g.Servers {
		client := s.Client()
		await(ctx, t, "all to know of the replicas", func() bool {
			return strings.Count(client.ClusterNodes(ctx).Val(), "slave ") == nodes-masters
		})
	}
	return g
}

// RealSentinel is [Kind.Sentinel] of Redis.
func RealSentinel(t testing.TB) *Group {
	t.Helper()
	return Redis.Sentinel(t)
}

// Sentinel starts a master, a replica of it, and a Sentinel that makes the
// replica the master within about two seconds of the master's end. The test is
// left out where there is no such server.
func (k Kind) Sentinel(t testing.TB) *Group {
	t.Helper()
	program := Require(t, string(k))
	master, replica, sentinel := FreePort(t), FreePort(t), FreePort(t)
	g := &Group{
		Servers: []*Server{
			k.Server(t, "--port", master, "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"),
			k.Server(t, "--port", replica, "--bind", "127.0.0.1", "--replicaof", "127.0.0.1 "+master),
		},
		Addrs:    []string{"127.0.0.1:" + master, "127.0.0.1:" + replica},
		URL:      "redis+sentinel://127.0.0.1:" + sentinel + "/mymaster",
		Sentinel: newServer(t, program),
	}
	path := filepath.Join(g.Sentinel.Dir(), "sentinel.conf")
	must(t, os.WriteFile(path, []byte("sentinel monitor mymaster 127.0.0.1 "+master+" 1\n"+
		"sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"), 0o600))
	g.Sentinel.config = []string{path}
	g.Sentinel.Args = []string{"--sentinel", "--port", sentinel, "--bind", "127.0.0.1"}
	g.Sentinel.start()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	replicaClient := g.Servers[1].Client()
	await(ctx, t, "the replica", func() bool {
		return strings.Contains(replicaClient.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	watcher := redis.NewSentinelClient(g.Sentinel.options())
	defer watcher.Close()
	await(ctx, t, "the Sentinel to find the replica", func() bool {
		replicas, err := watcher.Replicas(ctx, "mymaster").Result()
		return err == nil && len(replicas) == 1
	})
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func await(ctx context.Context, t testing.TB, what string, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
