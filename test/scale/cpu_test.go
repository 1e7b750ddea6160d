package scale

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// cpu tells who used the CPUs.
type cpu struct {
	b        *testing.B
	programs map[string][]*program.Program // by their command
	redis    redis.UniversalClient
	at       time.Time
	used     map[string]float64 // seconds, by command
}

func newCPU(b *testing.B, client redis.UniversalClient) *cpu {
	b.Helper()
	c := &cpu{b: b, programs: map[string][]*program.Program{}, redis: client, at: time.Now()}
	c.used = c.read()
	return c
}

// since returns the seconds that each command used since it was called last.
func (c *cpu) since() string {
	c.b.Helper()
	before, began := c.used, c.at
	c.used, c.at = c.read(), time.Now()
	var shares []string
	sum := 0.0
	for _, command := range slices.Sorted(maps.Keys(c.used)) {
		n := c.used[command] - before[command]
		sum += n
		shares = append(shares, fmt.Sprintf("%s %.2f", command, n))
	}
	return fmt.Sprintf("CPU %.2f s in %.2f s: %s", sum, c.at.Sub(began).Seconds(), strings.Join(shares, ", "))
}

func (c *cpu) read() map[string]float64 {
	c.b.Helper()
	used := map[string]float64{
		"benchmark":    c.process(os.Getpid()),
		"redis-server": pipelinetest.ServerInfo(c.b, c.redis, "used_cpu_sys", "used_cpu_user"),
	}
	for command, programs := range c.programs {
		for _, p := range programs {
			used[command] += c.process(p.PID())
		}
	}
	return used
}

// process returns the seconds that a process has used, see proc_pid_stat(5).
func (c *cpu) process(pid int) float64 {
	c.b.Helper()
	const ticks, utime, stime = 100, 14 - 3, 15 - 3 // of the fields after the command's name
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		c.b.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	sum := 0.0
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			c.b.Fatal(err)
		}
		sum += n / ticks
	}
	return sum
}
