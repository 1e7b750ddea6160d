package redisconn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is what a server says of itself, and what it should do otherwise. What it does not say is empty.
type Server struct {
	// Address is "host:port" of one node of a Redis Cluster; empty elsewhere.
	Address string `json:"address,omitempty"`
	// Version is that of Redis; Valkey gives the one that it is compatible with.
	Version string `json:"version,omitempty"`
	// Mode is "standalone", "cluster", "sentinel" or "embedded".
	Mode string `json:"mode,omitempty"`
	// Role is "master" or "replica".
	Role string `json:"role,omitempty"`
	// Replicas is the number of replicas that are connected to it.
	Replicas int `json:"replicas"`
	// StartedAt is when it started.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// UsedMemory and MaxMemory are in bytes; a MaxMemory of zero means that there is no limit.
	UsedMemory int64 `json:"usedMemory"`
	MaxMemory  int64 `json:"maxMemory"`
	// Policy is its maxmemory-policy.
	Policy string `json:"policy,omitempty"`
	// Persistence is "aof", "rdb" or "none"; empty when this user is not told.
	Persistence string `json:"persistence,omitempty"`
	// Clients is the number of connections to it.
	Clients int64 `json:"clients"`
	// CommandsPerSecond is how many commands it runs at present.
	CommandsPerSecond int64 `json:"commandsPerSecond"`
	// Silent says that this user may not ask it: nothing else is known.
	Silent bool `json:"silent,omitempty"`
	// Findings are what it should do otherwise.
	Findings []Finding `json:"findings,omitempty"`
}

// Servers asks the servers behind the connection how they are: each master of a Redis Cluster, and one elsewhere.
// An error means that one did not answer, or is still loading its data.
func (c *Conn) Servers(ctx context.Context) ([]Server, error) {
	servers, err := c.servers(ctx)
	if err != nil {
		return servers, fmt.Errorf("checking %s: %w", c.target, err)
	}
	return servers, nil
}

func (c *Conn) servers(ctx context.Context) ([]Server, error) {
	if c.target.Mode == ModeEmbedded {
		return []Server{embeddedServer()}, c.Client.Ping(ctx).Err()
	}
	cluster, ok := c.Client.(*redis.ClusterClient)
	if !ok {
		s, err := askServer(ctx, c.Client, c.target.Username, c.target.Mode)
		return []Server{s}, err
	}
	var mu sync.Mutex
	var servers []Server
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		s, err := askServer(ctx, node, c.target.Username, ModeCluster)
		s.Address = node.Options().Addr
		for i := range s.Findings {
			s.Findings[i].Node = s.Address
		}
		mu.Lock()
		defer mu.Unlock()
		servers = append(servers, s)
		return err
	})
	slices.SortFunc(servers, func(a, b Server) int { return cmp.Compare(a.Address, b.Address) })
	if err != nil && strings.Contains(err.Error(), "cluster support disabled") {
		in := info{"redis_mode": "standalone", "redis_version": recommendedVersion}
		return []Server{{Mode: "standalone", Findings: judge(in, ModeCluster, time.Now())}}, nil
	}
	return servers, err
}

// embeddedServer is what is said of the server that [StartEmbedded] starts.
func embeddedServer() Server {
	return Server{Mode: string(ModeEmbedded), Role: "master", Persistence: "none", Findings: []Finding{{
		Severity: Note, What: "the Redis is the embedded one of `meshweir up`",
		Why:  "it is in memory only, so that nothing in it survives the process; it has one copy and no ACL users",
		Mend: "for more than a try, run a Redis and name it by --redis-control",
	}}}
}

func askServer(ctx context.Context, client redis.Cmdable, user string, mode Mode) (Server, error) {
	text, err := client.Info(ctx).Result()
	switch {
	case redis.IsPermissionError(err):
		return Server{Silent: true, Findings: []Finding{{
			Severity: Warning, What: "the user may not run INFO", Why: "so nobody can tell whether the server's version and settings will do",
			Mend: "allow it: +info",
		}}}, nil
	case redis.IsLoadingError(err):
		return Server{}, errLoading
	case err != nil:
		return Server{}, err
	}
	in := parseInfo(text)
	switch {
	case in.loading():
		return Server{}, errLoading
	case in["redis_mode"] == string(ModeEmbedded):
		return embeddedServer(), nil
	}
	// INFO does not tell save points. CONFIG does, to those who may ask; to a user of few rights it is one more entry in ACL LOG.
	if user == "" || user == "default" {
		if config, err := client.ConfigGet(ctx, "save").Result(); err == nil {
			in["save_known"], in["save"] = "yes", config["save"]
		}
	}
	return in.server(mode, time.Now()), nil
}

// server says what the server is, reached as mode.
func (in info) server(mode Mode, now time.Time) Server {
	s := Server{
		Version: in["redis_version"], Mode: in["redis_mode"], Role: in["role"], Replicas: int(in.number("connected_slaves")),
		UsedMemory: int64(in.number("used_memory")), MaxMemory: int64(in.number("maxmemory")), Policy: in["maxmemory_policy"],
		Clients: int64(in.number("connected_clients")), CommandsPerSecond: int64(in.number("instantaneous_ops_per_sec")),
		Findings: judge(in, mode, now),
	}
	if s.Role == "slave" {
		s.Role = "replica"
	}
	if up := in.number("uptime_in_seconds"); up > 0 {
		s.StartedAt = now.Add(-time.Duration(up) * time.Second).UTC().Truncate(time.Second)
	}
	switch {
	case in["aof_enabled"] == "1":
		s.Persistence = "aof"
	case in["save_known"] == "yes" && in["save"] == "":
		s.Persistence = "none"
	case in["save_known"] == "yes":
		s.Persistence = "rdb"
	}
	return s
}
