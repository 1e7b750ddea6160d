//go:build unix

package keyspace_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

// BenchmarkColdStart lists 50,000 objects of 2.6 KB into a new replica, which
// keeps them as they are. One operation is one list. Meanwhile another process
// pings the same Redis, and says how long it waited at worst; "quiet" is the same without a list.
func BenchmarkColdStart(b *testing.B) {
	const objects = 50_000
	b.Run("peer, HGETALL of one hash of plain JSON", func(b *testing.B) {
		client := pipelinetest.Real(b)
		pairs := make([]any, 0, 1000)
		for key, value := range typical("objects", objects, 1) {
			if pairs = append(pairs, key, value); len(pairs) == cap(pairs) {
				must(b, client.HSet(b.Context(), "x", pairs...).Err())
				pairs = pairs[:0]
			}
		}
		coldStart(b, client, objects, func() {
			if got, err := client.HGetAll(b.Context(), "x").Result(); err != nil || len(got) != objects {
				b.Fatalf("%d objects, %v", len(got), err)
			}
		})
	})
	for _, plain := range []bool{true, false} {
		name := map[bool]string{true: "ours, plain", false: "ours"}[plain]
		b.Run(name, func(b *testing.B) {
			client := pipelinetest.Real(b)
			store := open(b, client, keyspace.Config{Plain: plain, Block: time.Second})
			flush(b, store.Owned(snapshot, "uid"), typical("objects", objects, 1))
			coldStart(b, client, objects, func() {
				r, stop := followQuietly(b, store, nil)
				r.View(func(v keyspace.View[[]byte]) {
					if v.Len(snapshot) != objects {
						b.Fatalf("%d objects", v.Len(snapshot))
					}
				})
				b.StopTimer()
				stop()
				b.StartTimer()
			})
		})
	}
}

func coldStart(b *testing.B, client redis.UniversalClient, objects int, list func()) {
	quiet := pinging(b, client)
	<-time.After(time.Second)
	calm := quiet()
	waited := pinging(b, client)
	b.ReportAllocs()
	b.ResetTimer()
	ours, theirs := processCPU(b), serverCPU(b, client)
	for range b.N {
		list()
	}
	b.StopTimer()
	worst := waited()
	b.ReportMetric(perObject(processCPU(b)-ours, b.N*objects), "client-µs/object")
	b.ReportMetric(perObject(serverCPU(b, client)-theirs, b.N*objects), "redis-µs/object")
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ping-ms")
	b.ReportMetric(float64(calm.Microseconds())/1000, "quiet-ping-ms")
}

// followQuietly follows the snapshot once it is listed, and returns what ends that.
func followQuietly(b *testing.B, store *keyspace.Store, onChange func(keyspace.Event[[]byte])) (r *keyspace.Replica[[]byte], stop func()) {
	b.Helper()
	r, err := keyspace.NewReplica(store, keyspace.ReplicaConfig[[]byte]{
		Names: []keyspace.Name{snapshot}, OnChange: onChange,
		Decode: func(_ string, value []byte) ([]byte, error) { return value, nil },
	})
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-r.Synced()
	return r, func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// pingedSocket is the variable that makes this test binary another client, which pings.
const pingedSocket = "KEYSPACE_BENCHMARK_PING"

// TestAnotherClient is that client's process; for everybody else it does nothing.
func TestAnotherClient(t *testing.T) {
	socket := os.Getenv(pingedSocket)
	if socket == "" {
		return
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1, ReadTimeout: time.Minute, PipelinePoolSize: -1})
	defer client.Close()
	must(t, client.Ping(t.Context()).Err())
	stop := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is what counts
		close(stop)
	}()
	fmt.Println("pinging")
	worst := time.Duration(0)
	for pause := time.NewTicker(time.Millisecond); ; <-pause.C {
		select {
		case <-stop:
			fmt.Println("worst", worst.Nanoseconds())
			return
		default:
		}
		at := time.Now()
		must(t, client.Ping(t.Context()).Err())
		worst = max(worst, time.Since(at))
	}
}

// pinging starts a process that pings each millisecond. It returns what ends it and says the longest wait.
func pinging(b *testing.B, client redis.UniversalClient) (worst func() time.Duration) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAnotherClient$")
	cmd.Env = append(os.Environ(), pingedSocket+"="+client.(*redis.Client).Options().Addr)
	in, err := cmd.StdinPipe()
	must(b, err)
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "pinging" {
	}
	return func() (worst time.Duration) {
		must(b, in.Close())
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "worst "); ok {
				n, err := strconv.ParseInt(text, 10, 64)
				must(b, err)
				worst = time.Duration(n)
			}
		}
		must(b, cmd.Wait())
		return worst
	}
}

// BenchmarkFollow changes one object of 1,000 at a time and measures from the
// call of Flush to the follower's OnChange; the floor is a bare XADD and XREAD.
func BenchmarkFollow(b *testing.B) {
	b.Run("floor, XADD and XREAD", func(b *testing.B) {
		client := pipelinetest.Real(b)
		heard := make(chan time.Time)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			for last := "0-0"; ctx.Err() == nil; {
				reply, err := client.XRead(ctx, &redis.XReadArgs{Streams: []string{"s", last}, Count: 256, Block: time.Second}).Result()
				if err == nil {
					last = reply[0].Messages[0].ID
					heard <- time.Now()
				}
			}
			close(heard)
		}()
		latency(b, client, heard, func(i int) {
			must(b, client.XAdd(ctx, &redis.XAddArgs{Stream: "s", Values: []any{"payload", i}}).Err())
		})
		cancel()
		<-heard
	})
	b.Run("ours", func(b *testing.B) {
		client := pipelinetest.Real(b)
		store := open(b, client, keyspace.Config{Block: time.Second})
		owner := store.Owned(snapshot, "uid")
		objects := typical("objects", 1000, 1)
		flush(b, owner, objects)
		heard := make(chan time.Time, 1)
		_, stop := followQuietly(b, store, func(keyspace.Event[[]byte]) { heard <- time.Now() })
		<-heard // the list
		var key, value string
		for key, value = range objects {
			break
		}
		latency(b, client, heard, func(i int) {
			owner.Set(key, []byte(strings.Replace(value, `"uid":"`, `"uid":"`+strconv.Itoa(i)+"-", 1)))
			must(b, owner.Flush(b.Context()))
		})
		stop()
	})
}

func latency(b *testing.B, client redis.UniversalClient, heard <-chan time.Time, change func(i int)) {
	waits := make([]time.Duration, b.N)
	b.ResetTimer()
	ours, theirs := processCPU(b), serverCPU(b, client)
	for i := range b.N {
		at := time.Now()
		change(i)
		waits[i] = (<-heard).Sub(at)
	}
	b.StopTimer()
	b.ReportMetric(perObject(processCPU(b)-ours, b.N), "client-µs/op")
	b.ReportMetric(perObject(serverCPU(b, client)-theirs, b.N), "redis-µs/op")
	b.ReportMetric(perObject(pipelinetest.Quantile(waits, 0.5), 1), "p50-µs")
	b.ReportMetric(perObject(pipelinetest.Quantile(waits, 0.99), 1), "p99-µs")
}
