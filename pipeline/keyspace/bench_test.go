//go:build unix

package keyspace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/sample"
)

// What docs/benchmarks.md says of each benchmark is how to read it.

// BenchmarkPublish publishes changes of 100 objects of 2.6 KB at a time. One
// operation is 100 objects; the CPU, of this process and of the server, is that of one object.
func BenchmarkPublish(b *testing.B) {
	const objects = 100
	ctx := context.Background()
	var all, each float64
	b.Run("floor, one unguarded MULTI for all", func(b *testing.B) {
		client, rounds := pipelinetest.Real(b), envelopes(b, objects)
		all = publishing(b, client, objects, nil, func(i int) {
			_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
				keys := make([]string, 0, objects)
				pairs := make([]any, 0, 2*objects)
				for key, value := range rounds[i/keyspaces%2] {
					keys, pairs = append(keys, key), append(pairs, key, value)
				}
				tag := "{" + strconv.Itoa(i%keyspaces) + "}"
				p.HSet(ctx, tag+"values", pairs...)
				payload, err := json.Marshal(keys)
				p.XAdd(ctx, &redis.XAddArgs{Stream: tag + "events", MaxLen: 10_000, Approx: true, Values: []any{"payload", payload}})
				return err
			})
			must(b, err)
		})
	})
	b.Run("peer, one MULTI for each", func(b *testing.B) {
		client, rounds := pipelinetest.Real(b), envelopes(b, objects)
		each = publishing(b, client, objects, nil, func(i int) {
			tag := "{" + strconv.Itoa(i%keyspaces) + "}"
			for key, value := range rounds[i/keyspaces%2] {
				_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.HSet(ctx, tag+"values", key, value)
					p.XAdd(ctx, &redis.XAddArgs{Stream: tag + "events", MaxLen: 10_000, Approx: true, Values: []any{"key", key}})
					return nil
				})
				must(b, err)
			}
		})
	})
	b.Run("ours", func(b *testing.B) {
		client := pipelinetest.Real(b)
		store := open(b, client, keyspace.Config{})
		rounds := [2]state{typical("objects", objects, 1), typical("objects", objects, 2)}
		owners := make([]*keyspace.Owned, keyspaces)
		for i := range owners {
			owners[i] = store.Owned(keyspace.Name(fmt.Sprintf("snapshot/c%d", i)), "uid")
			flush(b, owners[i], rounds[1])
		}
		var staging time.Duration
		ours := publishing(b, client, objects, func(i int) {
			before := processCPU(b)
			stage(owners[i%keyspaces], rounds[i/keyspaces%2])
			staging += processCPU(b) - before
		}, func(i int) { must(b, owners[i%keyspaces].Flush(ctx)) })
		b.ReportMetric(perObject(staging, b.N*objects), "set-µs/object")
		b.ReportMetric(each/ours, "x-cheaper-than-peer")
		b.ReportMetric(ours/all, "x-of-floor")
	})
}

// keyspaces is how many keyspaces take turns, so that what is measured is many writes in a row.
const keyspaces = 50

// publishing prepares and makes round after round and returns the CPU, of this
// process and of the server, that making them took for an object. What preparing took does not count.
func publishing(b *testing.B, client redis.UniversalClient, objects int, prepare, round func(i int)) float64 {
	var ours, theirs time.Duration
	b.ResetTimer()
	for from := 0; from < b.N; from += keyspaces {
		to := min(from+keyspaces, b.N)
		b.StopTimer()
		for i := from; prepare != nil && i < to; i++ {
			prepare(i)
		}
		runtime.GC()
		ours, theirs = ours-processCPU(b), theirs-serverCPU(b, client)
		b.StartTimer()
		for i := from; i < to; i++ {
			round(i)
		}
		b.StopTimer()
		theirs, ours = theirs+serverCPU(b, client), ours+processCPU(b)
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(perObject(ours, b.N*objects), "client-µs/object")
	b.ReportMetric(perObject(theirs, b.N*objects), "redis-µs/object")
	b.ReportMetric(perObject(ours+theirs, b.N*objects), "µs/object")
	return perObject(ours+theirs, b.N*objects)
}

// envelopes returns two versions of the objects as they stand in Redis.
func envelopes(b *testing.B, objects int) (rounds [2]state) {
	b.Helper()
	client := pipelinetest.Real(b)
	store := open(b, client, keyspace.Config{Buckets: 1})
	for i := range rounds {
		flush(b, store.Owned(snapshot, "uid"), typical("objects", objects, uint64(i)))
		stored, err := client.HGetAll(b.Context(), snapshot.BucketKey(0)).Result()
		must(b, err)
		rounds[i] = stored
	}
	return rounds
}

// BenchmarkMemory stores 10,000 objects and asks Redis what they take, beside raw JSON in the same hashes.
func BenchmarkMemory(b *testing.B) {
	const objects = 10_000
	for _, form := range []string{"objects", "reduced"} {
		b.Run(form, func(b *testing.B) {
			values := typical(form, objects, 1)
			whole := memory(b, typical("objects", objects, 1), keyspace.Config{Plain: true})
			raw, ours := whole, 0.0
			if form == "reduced" {
				raw = memory(b, values, keyspace.Config{Plain: true})
			}
			for b.Loop() {
				ours = memory(b, values, keyspace.Config{})
			}
			length := 0
			for _, value := range values {
				length += len(value)
			}
			b.ReportMetric(float64(length)/objects, "JSON-B/object")
			b.ReportMetric(raw, "plain-B/object")
			b.ReportMetric(ours, "ours-B/object")
			b.ReportMetric(ours/raw, "of-plain")
			b.ReportMetric(ours/whole, "of-whole-plain")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// memory returns the bytes that an object takes in Redis with its key, its share of the hash, and the envelope.
func memory(b *testing.B, values state, cfg keyspace.Config) float64 {
	b.Helper()
	client := pipelinetest.Real(b)
	flush(b, open(b, client, cfg).Owned(snapshot, "uid"), values)
	total := int64(0)
	for i := range 64 {
		n, err := client.MemoryUsage(b.Context(), snapshot.BucketKey(i), 0).Result()
		must(b, err)
		total += n
	}
	return float64(total) / float64(len(values))
}

// typical returns objects made from hand-written ones in testdata: five kinds in
// equal shares, each with a name, ids, hashes, addresses and times of its own. They are
// of another fleet than the one that the dictionary was trained on. Form "objects" is
// as an API server returns them without managedFields, "reduced" as an agent stores them.
func typical(form string, n int, seed uint64) state {
	files, err := filepath.Glob(filepath.Join("testdata", form, "*.json"))
	if err != nil || len(files) == 0 {
		panic(fmt.Sprintf("%d objects in testdata/%s: %v", len(files), form, err))
	}
	templates := make([]string, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil {
			panic(err)
		}
		templates[i] = compact.String()
	}
	names, ids := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(seed, 2))
	objects := make(state, n)
	for i := range n {
		name, namespace := word(names)+"-"+word(names), word(names)
		kind := strings.TrimSuffix(filepath.Base(files[i%len(files)]), ".json")
		objects[fmt.Sprintf("%s.example/%s/%s-%d", kind, namespace, name, i)] = sample.Fill(templates[i%len(templates)], ids, "{NAME}", name, "{NAMESPACE}", namespace)
	}
	return objects
}

func word(r *rand.Rand) string {
	syllables := []string{"ac", "ber", "cle", "dor", "en", "fi", "gra", "hol", "in", "ju", "kel", "lo", "mar", "ni", "or", "pal", "qui", "ra", "sen", "tor", "ul", "ver", "wi", "yar"}
	return syllables[r.IntN(len(syllables))] + syllables[r.IntN(len(syllables))] + syllables[r.IntN(len(syllables))]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func perObject(d time.Duration, objects int) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(objects)
}

func processCPU(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func serverCPU(t testing.TB, client redis.UniversalClient) time.Duration {
	t.Helper()
	return time.Duration(pipelinetest.ServerInfo(t, client, "used_cpu_sys", "used_cpu_user") * float64(time.Second))
}
