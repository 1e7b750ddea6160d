package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/deploy/compose/demo"
	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/work"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/translator"
)

// record runs the demo clusters until nothing changes any more and returns the
// values that Redis then holds, sorted.
func record(ctx context.Context) (values [][]byte, err error) {
	dir, err := os.MkdirTemp("", "meshweir-dictionary-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the demo clusters: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := demo.Unpack(dir); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := redisconn.StartEmbedded(log, "")
	if err != nil {
		return nil, err
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), PoolSize: 100, PipelinePoolSize: -1})
	defer client.Close()
	store, err := keyspace.NewStore(log, client, keyspace.Config{})
	if err != nil {
		return nil, err
	}
	var events atomic.Int64
	replica, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[[]byte]{
		Kinds:    []string{"snapshot", "output", "status", "applied"},
		Decode:   func(_ string, value []byte) ([]byte, error) { return bytes.Clone(value), nil },
		OnChange: func(keyspace.Event[[]byte]) { events.Add(1) },
	})
	if err != nil {
		return nil, err
	}
	service, err := translator.New(log, store, work.Clients{Commands: client, Blocking: client}, translator.Config{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	runs := []func(context.Context) error{replica.Run, service.Run, func(ctx context.Context) error {
		defer cancel()
		return atRest(ctx, &events)
	}}
	for _, cluster := range demo.Clusters() {
		a, err := agent.New(log, store, agent.Config{Cluster: cluster, Dir: dir})
		if err != nil {
			return nil, err
		}
		runs = append(runs, a.Run)
	}
	if err := process.Together(ctx, runs...); err != nil {
		return nil, fmt.Errorf("running the demo: %w", err)
	}
	replica.View(func(v keyspace.View[[]byte]) {
		for _, name := range v.Names() {
			for _, value := range v.All(name) {
				values = append(values, normal(value))
			}
		}
	})
	slices.SortFunc(values, bytes.Compare)
	return slices.CompactFunc(values, bytes.Equal), nil
}

// atRest returns once a working fleet has made no event for some seconds.
func atRest(ctx context.Context, events *atomic.Int64) error {
	const rest = 5
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	seen := int64(0)
	for quiet := 0; quiet < rest; quiet++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n := events.Load(); n == 0 || n != seen {
			seen, quiet = n, -1
		}
	}
	return nil
}

// position matches "epoch/revision", which is of the time of the recording.
var position = regexp.MustCompile(`\d{13}-[0-9a-f]{8}/\d+`)

// normal returns a value as every recording has it.
func normal(value []byte) []byte {
	return position.ReplaceAll(value, []byte("1700000000000-5a5a5a5a/1"))
}

// join writes values as lines. They are JSON in one line each.
func join(values [][]byte) []byte { return append(bytes.Join(values, []byte("\n")), '\n') }

// split reads what join wrote.
func split(lines []byte) ([][]byte, error) {
	values := bytes.Split(bytes.TrimSpace(lines), []byte("\n"))
	for i, value := range values {
		if !json.Valid(value) {
			return nil, fmt.Errorf("line %d is not JSON", i+1)
		}
	}
	return values, nil
}
