package redisconn

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestJudgesServersByTheirInfo(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	good := info{
		"redis_version": "7.2.4", "redis_mode": "standalone", "role": "master", "maxmemory_policy": "noeviction",
		"maxmemory": "0", "used_memory": "1000", "aof_enabled": "1", "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok",
	}
	unsaved := info{"aof_enabled": "0", "rdb_changes_since_last_save": "5", "rdb_last_save_time": "1799990000"}
	tests := []struct {
		name   string
		change info // to good; an empty value removes a line
		mode   Mode
		want   string // "severity: what" begins with it; "" means that all is well
	}{
		{name: "good", change: info{}},
		{name: "too old", change: info{"redis_version": "6.0.16"}, want: "problem: the server is Redis 6.0.16"},
		{name: "old", change: info{"redis_version": "6.2.14"}, want: "warning: the server is Redis 6.2.14"},
		{name: "versions compare by number", change: info{"redis_version": "10.0.0-rc1"}},
		{name: "no version", change: info{"redis_version": ""}, want: "warning: the server does not say its version"},
		{name: "evicts", change: info{"maxmemory_policy": "allkeys-lru"}, want: "problem: maxmemory-policy is allkeys-lru"},
		{name: "evicts what expires", change: info{"maxmemory_policy": "volatile-ttl"}, want: "problem: maxmemory-policy is volatile-ttl"},
		{name: "nearly full", change: info{"maxmemory": "1050"}, want: "warning: 95 % of maxmemory is used"},
		{name: "full", change: info{"maxmemory": "1000"}, want: "problem: 100 % of maxmemory is used"},
		{name: "half full", change: info{"maxmemory": "2000"}},
		{name: "replica", change: info{"role": "slave", "master_host": "m", "master_port": "1"}, want: "problem: the server is a replica of m:1"},
		{name: "sentinel", change: info{"redis_mode": "sentinel"}, want: "problem: the server is a Sentinel"},
		{name: "cluster node alone", change: info{"redis_mode": "cluster"}, want: "problem: the server is a node of a Redis Cluster"},
		{name: "cluster node in a cluster", change: info{"redis_mode": "cluster"}, mode: ModeCluster},
		{name: "single as cluster", change: info{}, mode: ModeCluster, want: "problem: the server is no node of a Redis Cluster"},
		{name: "unsaved for hours", change: unsaved, want: "warning: persistence is off"},
		{name: "save points are empty", change: info{"aof_enabled": "0", "save_known": "yes"}, want: "warning: persistence is off"},
		{name: "save points", change: info{"aof_enabled": "0", "save_known": "yes", "save": "3600 1"}},
		{name: "save went wrong", change: info{"rdb_last_bgsave_status": "err"}, want: "warning: the last save to disk went wrong"},
		{name: "append went wrong", change: info{"aof_last_write_status": "err"}, want: "warning: the last write of the append-only file went wrong"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := maps.Clone(good)
			maps.Copy(in, test.change)
			mode := test.mode
			if mode == "" {
				mode = ModeSingle
			}
			found := judge(in, mode, now)
			switch {
			case test.want == "" && len(found) > 0:
				t.Errorf("got %v, want nothing", found)
			case test.want != "" && (len(found) != 1 || !strings.HasPrefix(string(found[0].Severity)+": "+found[0].String(), test.want)):
				t.Errorf("got %v, want one finding: %s", found, test.want)
			case test.want != "" && (found[0].Why == "" || found[0].Mend == ""):
				t.Errorf("%v does not say why it matters, or how to mend it", found[0])
			}
		})
	}
}

func TestParsesInfo(t *testing.T) {
	in := parseInfo("# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nexecutable:/usr/bin:x\r\nbroken\r\n")
	if len(in) != 2 || in["redis_version"] != "7.0.15" || in["executable"] != "/usr/bin:x" {
		t.Errorf("got %q", in)
	}
}

// Whatever a server says of itself, each finding says what, why and how to mend it, in numbers that are some.
func FuzzParseInfo(f *testing.F) {
	for _, seed := range []string{
		"", "redis_version:7.2.4\r\nmaxmemory:0\r\n", "# Server\r\nredis_version:6.0.16\r\nredis_mode:cluster", "maxmemory:NaN\nused_memory:1", "maxmemory:1\nused_memory:Inf", "maxmemory:-1\nused_memory:5",
		"redis_version:99999999999999999999.1", "redis_version:...", "aof_enabled:0\nrdb_last_save_time:1e300\nrdb_changes_since_last_save:1", "role:slave", ":", "a:b:c", "#a:b", "maxmemory:1e-320\nused_memory:1e308",
	} {
		f.Add(seed)
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		in := parseInfo(text)
		for name, value := range in {
			if !strings.Contains(text, name+":"+value) || strings.ContainsAny(name+value, "\n") {
				t.Errorf("%q has the line %q: %q", text, name, value)
			}
		}
		for _, mode := range []Mode{ModeSingle, ModeSentinel, ModeCluster} {
			for _, finding := range judge(in, mode, now) {
				if finding.What == "" || finding.Why == "" || finding.Mend == "" {
					t.Errorf("got %+v, want it to say what, why and how to mend it", finding)
				}
				if share, is := strings.CutSuffix(finding.What, " % of maxmemory is used"); is && strings.Trim(share, "0123456789") != "" {
					t.Errorf("got %q of %q", finding.What, text)
				}
			}
		}
	})
}
