package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
)

func TestFoldersThatCannotBeClustersAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"east", "West_2", "untitled folder", "applied", ".git"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, refused, err := clusterFolders(dir)
	if err != nil || !slices.Equal(names, []string{"east"}) || len(refused) != 2 {
		t.Errorf("got clusters %v, refused %v, %v", names, refused, err)
	}
}

func TestAnAddressForARedisThatIsNotStartedIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, notes := cli(t, 2, "up", "--redis-control", "redis://127.0.0.1:1", "--redis-listen", "127.0.0.1:2"); !strings.Contains(notes, "leave one of the two out") {
		t.Errorf("got %s", notes)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestTheDemoDoesNotGoIntoAnotherFleet(t *testing.T) {
	r := newRedisWithFleet(t)
	t.Chdir(t.TempDir())
	control := strings.Replace(r.url, "embedded://", "redis://", 1)
	_, notes := r.meshweir(2, "up", "--redis-control", control)
	for _, want := range []string{"holds a fleet: east, west.", "--join", "--clusters"} { // east is another one by its identity
		if !strings.Contains(notes, want) {
			t.Errorf("got %q, want %q", notes, want)
		}
	}
	if _, notes := cli(t, 2, "up", "--redis-control", "redis://127.0.0.1:1"); !strings.Contains(notes, "seeing whether redis://127.0.0.1:1") {
		t.Errorf("of a Redis that is not there: got %q", notes)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestTheDemoKnowsItsOwnClustersAgain(t *testing.T) {
	server := pipelinetest.Embedded(t)
	store, err := keyspace.NewStore(slog.New(slog.DiscardHandler), server, keyspace.Config{Block: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	want := func(want ...string) {
		t.Helper()
		if got, err := strangers(t.Context(), store); err != nil || !slices.Equal(got, want) {
			t.Errorf("got strangers %v, %v, want %v", got, err, want)
		}
	}
	want()
	owned := store.Owned("snapshot/east", "9d4f33fd-c667-5393-8c9c-7df81e79c84f")
	owned.Complete()
	if err := owned.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want()
	north := store.Owned("snapshot/north", "somebody's")
	north.Complete()
	if err := north.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"east", "west", "north"} {
		if _, err := register(t.Context(), store, name, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	want("north", "west") // of west nobody knows which one is meant
	for _, name := range []string{"west", "north"} {
		if _, err := deregister(t.Context(), store, name, false, time.Now(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	want()
}

func TestAnAgentThatFailsLaterIsStartedAgainAndHarmsNoOther(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"east", "west"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	starts := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := agents(ctx, slog.New(slog.DiscardHandler), dir, func(ctx context.Context, cluster string) error {
		mu.Lock()
		starts[cluster]++
		again := starts[cluster] > 1
		mu.Unlock()
		if cluster == "west" && !again {
			<-time.After(2500 * time.Millisecond)
			return errors.New("the disk is gone")
		}
		if again {
			cancel()
		}
		<-ctx.Done()
		return nil
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if starts["east"] != 1 || starts["west"] != 2 {
		t.Errorf("starts: %v, want east once and west twice", starts)
	}
}

func TestAnAgentThatFailsAtTheStartEndsUp(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "east"), 0o700); err != nil {
		t.Fatal(err)
	}
	locked := errors.New("another agent has the folder")
	err := agents(t.Context(), slog.New(slog.DiscardHandler), dir, func(context.Context, string) error { return locked })
	if !errors.Is(err, locked) {
		t.Errorf("got %v, want %v", err, locked)
	}
}
