package pipelinetest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestClusterSpreadsItsKeys(t *testing.T) {
	cluster := pipelinetest.RealCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs[:1]})
	defer client.Close()
	for i := range 100 {
		if err := client.Set(t.Context(), fmt.Sprint("k", i), "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range cluster.Servers {
		if n := s.Client().DBSize(t.Context()).Val(); n == 0 {
			t.Errorf("node %d holds no key of 100", i)
		}
	}
}

func TestSentinelPromotesTheReplica(t *testing.T) {
	group := pipelinetest.RealSentinel(t)
	_, rest, _ := strings.Cut(group.URL, "://")
	sentinel, master, _ := strings.Cut(rest, "/")
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: master, SentinelAddrs: []string{sentinel}})
	defer client.Close()
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Wait(t.Context(), 1, 30*time.Second).Result(); n != 1 || err != nil {
		t.Fatalf("replicating: got %d replicas, %v, want 1", n, err)
	}

	group.Servers[0].Kill()
	deadline := time.Now().Add(time.Minute)
	for {
		err := client.Set(t.Context(), "after", "1", 0).Err()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("writing after the master's end: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if got := group.Servers[1].Client().Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("the promoted replica holds %q, want v", got)
	}
}
