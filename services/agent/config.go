package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/folder"
	"github.com/meshweir/meshweir/services/agent/kubernetes"
)

// Config says which cluster an [Agent] works for.
type Config struct {
	// Cluster is the cluster's name: lower-case letters, digits, '-' and '.'. Required.
	Cluster string
	// Dir is the directory that holds the cluster's folder of manifests, and the folder "applied". Required, or Kubernetes.
	Dir string
	// Kubernetes says how a real cluster is reached. Default none: the cluster is a folder.
	Kubernetes *kubernetes.Config
	// Version of Meshweir, for the heartbeat. Default "unknown".
	Version string
	// Coalesce is how long a change waits for others to be published with it. Default 20 ms.
	Coalesce time.Duration
	// Batch is the number of changes that are published without waiting for more. Default 100.
	Batch int
	// Beat is the time between two heartbeats, which are good for three times as long. Default 5 s.
	Beat time.Duration
	// Check is how often what Redis holds is compared with what was left there. Default 3 s.
	Check time.Duration
	// Resync is how often the cluster is compared with its output without a sign of change. Default 30 s.
	Resync time.Duration
	// Rescan is how often the folder is looked through without a sign of change. Default 10 s.
	Rescan time.Duration
	// MaxObjectBytes is the size after pruning above which an object is reported and left out. Default 1 MiB.
	MaxObjectBytes int
	// Tracer and Meter receive spans and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// beatTTL is how long a heartbeat is good for.
func (c Config) beatTTL() time.Duration { return 3 * c.Beat }

func (c Config) withDefaults() (Config, error) {
	if (c.Dir == "") == (c.Kubernetes == nil) {
		return c, errors.New("configuring an agent: want either Dir, the directory of the clusters' folders, or Kubernetes, how a real one is reached")
	}
	if _, err := keyspace.NewName(snapshotKind, c.Cluster); err != nil {
		return c, fmt.Errorf("configuring an agent: %w", err)
	}
	for _, d := range []time.Duration{c.Coalesce, c.Beat, c.Check, c.Resync, c.Rescan} {
		if d < 0 {
			return c, fmt.Errorf("configuring an agent: a time of %s is below zero", d)
		}
	}
	if c.Batch < 0 || c.MaxObjectBytes < 0 {
		return c, errors.New("configuring an agent: a number is below zero")
	}
	c.Version = cmp.Or(c.Version, "unknown")
	c.Coalesce = cmp.Or(c.Coalesce, 20*time.Millisecond)
	c.Batch = cmp.Or(c.Batch, 100)
	c.Beat = cmp.Or(c.Beat, 5*time.Second)
	c.Check = cmp.Or(c.Check, 3*time.Second)
	c.Resync = cmp.Or(c.Resync, 30*time.Second)
	if c.Tracer == nil {
		c.Tracer = tracenoop.Tracer{}
	}
	if c.Meter == nil {
		c.Meter = metricnoop.Meter{}
	}
	return c, nil
}

// open reaches the cluster.
func (c Config) open(log *slog.Logger) (cluster.Cluster, error) {
	if c.Kubernetes == nil {
		return folder.Open(log, folder.Config{Dir: c.Dir, Cluster: c.Cluster, Rescan: c.Rescan, MaxObjectBytes: c.MaxObjectBytes})
	}
	k := *c.Kubernetes
	k.MaxObjectBytes = c.MaxObjectBytes
	return kubernetes.Open(log, k)
}

// source is the heartbeat's word for the kind of cluster.
func (c Config) source() string {
	if c.Kubernetes != nil {
		return "kubernetes"
	}
	return "files"
}

// holder tells the agents of one cluster apart. An agent that was killed and starts again is the same one, and so is a replica.
func (c Config) holder() string {
	if c.Kubernetes != nil {
		return c.Kubernetes.Holder()
	}
	return folderHolder(c.Dir)
}
