package keyspace_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestAWriteIsRefusedWhileItsSlotMovesAndNoneIsLost(t *testing.T) {
	cluster := pipelinetest.RealCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs})
	t.Cleanup(func() { client.Close() })
	store := open(t, client, keyspace.Config{Buckets: 1})
	owned := store.Owned("kind/east", "owner")
	write := func(value string) error {
		owned.Set("key", []byte(value))
		owned.Complete()
		return owned.Flush(t.Context())
	}
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	before, _ := owned.Position(t.Context())

	do := func(server int, args ...any) {
		t.Helper()
		if err := cluster.Servers[server].Client().Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	id := func(server int) string { return cluster.Servers[server].Client().ClusterMyID(t.Context()).Val() }
	slot := client.ClusterKeySlot(t.Context(), keyspace.Name("kind/east").MetaKey()).Val()
	from := int(slot * 3 / 16384)
	to := (from + 1) % 3
	do(to, "cluster", "setslot", slot, "importing", id(from))
	do(from, "cluster", "setslot", slot, "migrating", id(to))
	host, port, _ := strings.Cut(cluster.Addrs[to], ":")
	for _, key := range cluster.Servers[from].Client().ClusterGetKeysInSlot(t.Context(), int(slot), 100).Val() {
		do(from, "migrate", host, port, key, 0, 5000)
	}
	if err := write("meanwhile"); err == nil {
		t.Error("a write between two servers was taken for done")
	}
	do(to, "cluster", "setslot", slot, "node", id(to))
	do(from, "cluster", "setslot", slot, "node", id(to))
	if err := write("after"); err != nil {
		t.Error(err)
	}
	value, at, err := store.Get(t.Context(), "kind/east", "key")
	if err != nil || string(value) != "after" || at.Epoch != before.Epoch {
		t.Errorf("Redis holds %q of %s, %v, want after, of epoch %s", value, at, err, before.Epoch)
	}
}
