//go:build !race

package sizes

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

const (
	redisName = "redis"
	// growth is what Go's collector lets a heap grow to by default, of what lives in it.
	growth = 2
	// atRest is how long nothing may be written before the product is taken to be at rest.
	atRest = 4 * time.Second
	// patience is how long it may take until then.
	patience = 3 * time.Minute
)

// binaries is the folder that TestMain builds the commands into.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binaries, "github.com/meshweir/meshweir/services/cmd/..."))
}

// product is the running product: one process of each service, and an agent for each cluster.
type product struct {
	t       *testing.T
	server  *pipelinetest.Server
	client  redis.UniversalClient
	store   *keyspace.Store
	folders *folders
	logs    string
	health  map[string]string // address of /metrics of each process
	objects map[string]int    // what each cluster's snapshot will hold
}

func startProduct(t *testing.T, services ...string) *product {
	t.Helper()
	server := pipelinetest.RealServer(t)
	p := &product{
		t: t, server: server, client: server.Client(), folders: newFolders(t), logs: t.TempDir(), health: map[string]string{}, objects: map[string]int{},
	}
	var err error
	if p.store, err = keyspace.NewStore(slog.New(slog.DiscardHandler), p.client, keyspace.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, service := range services {
		var args []string
		if service == "ui" {
			args = []string{"--listen", "127.0.0.1:" + pipelinetest.FreePort(t)}
		}
		p.start(service, service, args...)
	}
	return p
}

func (p *product) start(name, command string, args ...string) {
	p.t.Helper()
	p.health[name] = "127.0.0.1:" + pipelinetest.FreePort(p.t)
	program.Start(p.t, program.Config{
		Path: filepath.Join(binaries, command), Log: filepath.Join(p.logs, name+".log"),
		Args: append(args, "--redis-control", p.server.URL(), "--health-listen", p.health[name]),
	})
}

// join starts the agent of a cluster.
func (p *product) join(cluster string) {
	p.t.Helper()
	p.objects[cluster] = p.folders.base(cluster)
	p.start("agent-"+cluster, "agent", "--cluster", cluster, "--clusters", p.folders.dir)
}

// settle waits until every snapshot holds what it should, and nothing was written for a while.
func (p *product) settle() {
	p.t.Helper()
	why := "nothing was looked at"
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if why = p.unsettled(); why == "" {
			return
		}
	}
	p.t.Fatalf("the product is not at rest: %s", why)
}

func (p *product) unsettled() string {
	ctx := p.t.Context()
	for cluster, want := range p.objects {
		name, err := keyspace.NewName("snapshot", cluster)
		if err != nil {
			p.t.Fatal(err)
		}
		meta, err := p.store.Meta(ctx, name)
		if err != nil {
			return err.Error()
		}
		held := 0
		for i := range meta.Buckets {
			n, err := p.client.HLen(ctx, name.BucketKey(i)).Result()
			if err != nil {
				return err.Error()
			}
			held += int(n)
		}
		if held < want || !meta.Complete {
			return fmt.Sprintf("the snapshot of %s holds %d objects, want %d", cluster, held, want)
		}
	}
	names, err := p.store.Names(ctx)
	if err != nil {
		return err.Error()
	}
	for _, name := range names {
		meta, err := p.store.Meta(ctx, name)
		if err != nil {
			return err.Error()
		}
		if time.Since(meta.ChangedAt) < atRest {
			return fmt.Sprintf("%s was just written", name)
		}
	}
	return ""
}

// reading is what a process, or Redis, takes.
type reading struct {
	live  float64       // bytes: Redis' used_memory, or what the collector left of a heap
	other float64       // bytes that a process takes beside its heap
	cpu   time.Duration // that was used so far
}

// readRedis reads what Redis says of itself.
func (p *product) readRedis() reading {
	p.t.Helper()
	return reading{
		live: pipelinetest.ServerInfo(p.t, p.client, "used_memory"),
		cpu:  seconds(pipelinetest.ServerInfo(p.t, p.client, "used_cpu_sys", "used_cpu_user")),
	}
}

// readService reads the metrics of a process. They are asked for until its collector has run twice, so
// that what was garbage is gone; the CPU is that before.
func (p *product) readService(name string) reading {
	p.t.Helper()
	first := p.scrape(name)
	last := first
	for deadline := time.Now().Add(patience); last["go_gc_duration_seconds"] < first["go_gc_duration_seconds"]+2; last = p.scrape(name) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the collector of %s did not run", name)
		}
	}
	heap := last["go_memstats_heap_inuse_bytes"] + last["go_memstats_heap_idle_bytes"] - last["go_memstats_heap_released_bytes"]
	return reading{
		live: last["go_memstats_next_gc_bytes"] / growth, other: last["process_resident_memory_bytes"] - heap, cpu: p.cpu(first),
	}
}

// readCPU reads the CPU that was used so far.
func (p *product) readCPU(name string) reading {
	p.t.Helper()
	if name == redisName {
		return p.readRedis()
	}
	return reading{cpu: p.cpu(p.scrape(name))}
}

func (*product) cpu(metrics map[string]float64) time.Duration {
	return seconds(metrics["process_cpu_seconds_total"])
}

func (p *product) scrape(name string) map[string]float64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.health[name]+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		metric := family.GetMetric()[0]
		switch family.GetType() {
		case dto.MetricType_SUMMARY:
			values[name] = float64(metric.GetSummary().GetSampleCount())
		case dto.MetricType_COUNTER:
			values[name] = metric.GetCounter().GetValue()
		case dto.MetricType_GAUGE:
			values[name] = metric.GetGauge().GetValue()
		}
	}
	return values
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
