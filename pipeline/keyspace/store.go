package keyspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

var (
	// ErrOwned says that an owned keyspace is bound to another identity.
	ErrOwned = errors.New("the keyspace belongs to another owner")
	// ErrOvertaken says that somebody else wrote an owned keyspace, for the same owner, since this writer did.
	ErrOvertaken = errors.New("another process writes the keyspace for the same owner")
	// ErrStale says that a derived keyspace holds what was computed from newer inputs: follow them, compute again.
	ErrStale = errors.New("the stored state was computed from newer inputs")
	// ErrConflict says that another writer was faster, again and again.
	ErrConflict = errors.New("another writer was faster")
	// ErrDamaged says that Redis holds what no Meshweir of this version wrote.
	ErrDamaged = errors.New("damaged")
	// ErrNotFound says that a keyspace holds no such key.
	ErrNotFound = errors.New("no such key")
)

const maxBuckets = 1 << 14

// Config tunes a [Store]. The zero value is right for production.
type Config struct {
	// Plain writes values as JSON for redis-cli instead of zstd. Both are always readable.
	Plain bool
	// Buckets is the number of hashes of a keyspace that is created from now on. Default 64: good up to some 100,000 keys.
	Buckets int
	// MaxKeys caps the keys that one write changes. Default 500.
	MaxKeys int
	// MaxBytes caps the bytes of one write; a single larger value goes alone. Default 1 MiB.
	MaxBytes int
	// StreamLength is the hard cap of a keyspace's event stream, in entries. Default 10,000.
	StreamLength int64
	// Block is how long a follower waits for events before it checks that it has missed none. Default 1 s.
	Block time.Duration
	// Blocking is the client for reads that wait; default the store's own. Its pool must have room for one connection
	// for each 64 keyspaces that a Replica follows (on a Redis Cluster: for each keyspace), and one for announcements.
	Blocking redis.UniversalClient
	// Unlisted says that the Redis user may not write the directory, so that it is not tried: whoever hears of a keyspace enters it.
	Unlisted bool
	// Tracer and Meter receive the package's spans, one for each write, and metrics. Default none.
	Tracer trace.Tracer
	Meter  metric.Meter
}

// Store opens keyspaces in one Redis. It is safe for concurrent use.
type Store struct {
	log     *slog.Logger
	client  redis.UniversalClient
	cfg     Config
	codec   *codec
	metrics *metrics
	// unlisted is set once Redis refused this user to write the directory.
	unlisted atomic.Bool
}

// NewStore returns a store on client, which stays the caller's to close.
func NewStore(log *slog.Logger, client redis.UniversalClient, cfg Config) (*Store, error) {
	cfg.Buckets = cmp.Or(cfg.Buckets, 64)
	cfg.MaxKeys = cmp.Or(cfg.MaxKeys, 500)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 1<<20)
	cfg.StreamLength = cmp.Or(cfg.StreamLength, 10_000)
	cfg.Block = cmp.Or(cfg.Block, time.Second)
	if cfg.Blocking == nil {
		cfg.Blocking = client
	}
	if cfg.Tracer == nil {
		cfg.Tracer = tracenoop.Tracer{}
	}
	if cfg.Meter == nil {
		cfg.Meter = noop.Meter{}
	}
	if cfg.Buckets < 1 || cfg.Buckets > maxBuckets || cfg.MaxKeys < 1 || cfg.MaxBytes < 1 || cfg.StreamLength < 1 || cfg.Block < 0 {
		return nil, fmt.Errorf("opening a keyspace store: a limit is out of range: %d buckets (1 to %d), %d keys, %d bytes, %d entries, block %s",
			cfg.Buckets, maxBuckets, cfg.MaxKeys, cfg.MaxBytes, cfg.StreamLength, cfg.Block)
	}
	c, err := newCodec(cfg.Plain)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Meter)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, client: client, cfg: cfg, codec: c, metrics: m}
	s.unlisted.Store(cfg.Unlisted)
	return s, nil
}

// Meta reads what a keyspace says of itself.
func (s *Store) Meta(ctx context.Context, name Name) (Meta, error) {
	metas, err := s.metas(ctx, name)
	if err != nil {
		return Meta{}, err
	}
	return metas[0], nil
}

// Metas reads what keyspaces say of themselves, in one round trip and in the order of names.
func (s *Store) Metas(ctx context.Context, names ...Name) ([]Meta, error) {
	return s.metas(ctx, names...)
}

// metas reads many metas in one round trip. A damaged one counts as absent: its writer will see that and write anew.
func (s *Store) metas(ctx context.Context, names ...Name) ([]Meta, error) {
	cmds := make([]*redis.SliceCmd, len(names))
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, name := range names {
			cmds[i] = p.HMGet(ctx, name.MetaKey(), metaFields()...)
		}
		return nil
	})
	metas := make([]Meta, len(names))
	for i, cmd := range cmds {
		if err := cmd.Err(); wrongType(err) {
			continue // its writer mends it
		} else if err != nil {
			return nil, fmt.Errorf("reading meta: %w", err)
		}
		var err error
		if metas[i], err = parseMeta(names[i], cmd.Val()); err != nil {
			s.log.WarnContext(ctx, "keyspace meta is damaged", "keyspace", names[i], "error", err)
		}
	}
	return metas, nil
}

// Get reads one value from Redis, and the position at which it was written.
func (s *Store) Get(ctx context.Context, name Name, key string) ([]byte, Position, error) {
	meta, err := s.Meta(ctx, name)
	if err != nil {
		return nil, Position{}, err
	}
	if !meta.Exists() {
		return nil, Position{}, fmt.Errorf("reading %s of %s: %w: the keyspace does not exist", key, name, ErrNotFound)
	}
	text, err := s.client.HGet(ctx, name.BucketKey(bucket(key, meta.Buckets)), key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, Position{}, fmt.Errorf("reading %s of %s: %w", key, name, ErrNotFound)
	}
	if err != nil {
		return nil, Position{}, fmt.Errorf("reading %s of %s: %w", key, name, err)
	}
	value, at, err := s.open(text)
	if err != nil {
		return nil, Position{}, fmt.Errorf("reading %s of %s: %w", key, name, err)
	}
	return value, Position{meta.Epoch, at}, nil
}

func (s *Store) open(text string) ([]byte, uint64, error) {
	e, err := parseEnvelope(text)
	if err != nil {
		return nil, 0, err
	}
	value, err := s.codec.open(e.sealed)
	return value, e.revision, err
}

// Beat says for ttl that whoever looks after a keyspace lives; info is theirs to
// choose. It makes no event. It fails, in Redis' own words, while Redis takes no writes.
func (s *Store) Beat(ctx context.Context, name Name, info []byte, ttl time.Duration) error {
	if err := s.client.Set(ctx, name.BeatKey(), info, ttl).Err(); err != nil {
		return fmt.Errorf("writing the heartbeat of %s: %w", name, err)
	}
	return nil
}

// Beats returns the live heartbeats of keyspaces; a name that is absent has none.
func (s *Store) Beats(ctx context.Context, names ...Name) (map[Name][]byte, error) {
	cmds := make([]*redis.StringCmd, len(names))
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, name := range names {
			cmds[i] = p.Get(ctx, name.BeatKey())
		}
		return nil
	})
	beats := make(map[Name][]byte, len(names))
	for i, cmd := range cmds {
		b, err := cmd.Bytes()
		if err == nil {
			beats[names[i]] = b
		} else if !errors.Is(err, redis.Nil) && !wrongType(err) {
			return nil, fmt.Errorf("reading heartbeats: %w", err)
		}
	}
	return beats, nil
}

func bucket(key string, buckets int) int {
	return int(xxhash.Sum64String(key) % uint64(buckets)) //nolint:gosec // G115: there are 1 to maxBuckets
}

func wrongType(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE")
}
