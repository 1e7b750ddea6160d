package redisconn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Versions of Redis. XAUTOCLAIM and XADD NOMKSTREAM came with 6.2; 7.0 tells of
// entries that were deleted while pending, and has ACL rules for reading and
// writing apart (%R), which an agent's user is made of.
const (
	oldestVersion      = "6.2"
	recommendedVersion = "7.0"
)

// fullShare is the share of maxmemory from which the server counts as nearly full.
const fullShare = 0.9

// unsavedFor is how long changes may stay unsaved before that is worth a warning.
const unsavedFor = time.Hour

// info is the reply of INFO: its "name:value" lines.
type info map[string]string

func parseInfo(text string) info {
	in := info{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && !strings.HasPrefix(name, "#") {
			in[name] = value
		}
	}
	return in
}

func (in info) number(name string) float64 {
	n, err := strconv.ParseUint(in[name], 10, 63)
	if err != nil {
		return 0 // absent from this server's INFO, or no count
	}
	return float64(n)
}

// loading reports whether the server still reads its data from disk.
func (in info) loading() bool { return in["loading"] == "1" || in["async_loading"] == "1" }

// judge says what a server that was reached as mode should do otherwise.
// It is pure; now is for the age of the last save.
func judge(in info, mode Mode, now time.Time) []Finding {
	var found []Finding
	add := func(severity Severity, what, why, mend string) {
		found = append(found, Finding{Severity: severity, What: what, Why: why, Mend: mend})
	}
	judgeVersion(in, add)
	judgeMode(in, mode, add)
	judgeMemory(in, add)
	judgePersistence(in, now, add)
	if in["role"] == "slave" {
		add(Problem, "the server is a replica of "+in["master_host"]+":"+in["master_port"], "a replica takes no writes",
			"name the master, or let redis+sentinel:// or redis+cluster:// find it")
	}
	return found
}

type adder func(severity Severity, what, why, mend string)

func judgeVersion(in info, add adder) {
	version := in["redis_version"] // Valkey gives the Redis version that it is compatible with
	switch {
	case version == "":
		add(Warning, "the server does not say its version", "Meshweir needs Redis "+oldestVersion+" or newer", "see that its documentation says which Redis it is compatible with")
	case versionLess(version, oldestVersion):
		add(Problem, "the server is Redis "+version, "Meshweir needs "+oldestVersion+" or newer (XAUTOCLAIM)", "upgrade it, best to "+recommendedVersion+" or newer")
	case versionLess(version, recommendedVersion):
		add(Warning, "the server is Redis "+version, "ACL rules that tell reading from writing came with "+recommendedVersion, "upgrade it")
	}
}

func judgeMode(in info, mode Mode, add adder) {
	switch serverMode := in["redis_mode"]; {
	case serverMode == "sentinel":
		add(Problem, "the server is a Sentinel", "it holds no data", "write the URL as redis+sentinel://host:26379/mymaster")
	case serverMode == "cluster" && mode != ModeCluster:
		add(Problem, "the server is a node of a Redis Cluster", "it holds some of the keys only", "write the URL as redis+cluster://")
	case serverMode == "standalone" && mode == ModeCluster:
		add(Problem, "the server is no node of a Redis Cluster", "the URL says redis+cluster://", "write the URL as redis://, or start the server with cluster-enabled yes")
	}
}

func judgeMemory(in info, add adder) {
	if policy := in["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		add(Problem, "maxmemory-policy is "+policy, "a server that is full would then drop state in silence instead of refusing writes", "set maxmemory-policy noeviction")
	}
	used, limit := in.number("used_memory"), in.number("maxmemory")
	if limit == 0 || used < fullShare*limit {
		return
	}
	severity, why := Warning, "a full server refuses writes, and changes stop until it has room"
	if used >= limit {
		severity = Problem
	}
	add(severity, fmt.Sprintf("%.0f %% of maxmemory is used", 100*used/limit), why, "raise maxmemory, or see what else lives in it")
}

func judgePersistence(in info, now time.Time, add adder) {
	const mend = "see the server's log and disk"
	switch {
	case in["aof_last_write_status"] == "err":
		add(Warning, "the last write of the append-only file went wrong", "the server may refuse writes until it succeeds", mend)
	case in["rdb_last_bgsave_status"] == "err":
		add(Warning, "the last save to disk went wrong", "with stop-writes-on-bgsave-error the server refuses writes until one succeeds", mend)
	}
	if in["aof_enabled"] != "0" { // on, or the server does not say
		return
	}
	saved := time.Unix(int64(in.number("rdb_last_save_time")), 0)
	if in["save"] == "" && in["save_known"] == "yes" || in.number("rdb_changes_since_last_save") > 0 && now.Sub(saved) > unsavedFor {
		add(Warning, "persistence is off", "after a restart of the server everything is published and translated again, and API keys and sessions are gone",
			"set appendonly yes, or save points")
	}
}

// versionLess compares dotted numbers; a part that is no number counts as 0.
func versionLess(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if x, y := versionPart(as, i), versionPart(bs, i); x != y {
			return x < y
		}
	}
	return false
}

func versionPart(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	digits := parts[i]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
