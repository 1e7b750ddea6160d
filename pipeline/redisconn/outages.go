package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// outages logs one line when an address stops taking connections and one when
// it takes them again, however many commands fail in between.
type outages struct {
	log *slog.Logger

	mu   sync.Mutex
	down map[string]bool // by address
}

// DialHook is part of [redis.Hook].
func (o *outages) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if !errors.Is(err, context.Canceled) { // the caller left, which says nothing of the server
			o.note(ctx, addr, err)
		}
		return conn, err
	}
}

func (o *outages) note(ctx context.Context, addr string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch was := o.down[addr]; {
	case err != nil && !was:
		if o.down == nil {
			o.down = map[string]bool{}
		}
		o.down[addr] = true
		o.log.WarnContext(ctx, "redis unreachable", "address", addr, "error", err)
	case err == nil && was:
		delete(o.down, addr)
		o.log.InfoContext(ctx, "redis reachable again", "address", addr)
	}
}

// ProcessHook is part of [redis.Hook].
func (o *outages) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook is part of [redis.Hook].
func (o *outages) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// moves asks a Cluster anew who holds what, when a server of it cannot be reached or hangs: a replica may have taken its
// place. The library asks by itself once a minute, and when a server that still answers sends it elsewhere.
type moves struct{ cluster *redis.ClusterClient }

func (m moves) note(ctx context.Context, err error) {
	var network net.Error
	if errors.As(err, &network) && !errors.Is(err, context.Canceled) {
		m.cluster.ReloadState(ctx)
	}
}

// DialHook is part of [redis.Hook].
func (m moves) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		m.note(ctx, err)
		return conn, err
	}
}

// ProcessHook is part of [redis.Hook].
func (m moves) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		m.note(ctx, err)
		return err
	}
}

// ProcessPipelineHook is part of [redis.Hook].
func (m moves) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		m.note(ctx, err)
		return err
	}
}

// RouteLibraryLog sends what the Redis library says of itself, which it would
// print to stderr, to log at debug level: a [Conn] logs what matters. The
// library has one logger for the whole process; call this once, in main.
func RouteLibraryLog(log *slog.Logger) {
	redis.SetLogger(libraryLog{log})
}

type libraryLog struct{ log *slog.Logger }

// Printf is the library's logging interface.
func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis library", "said", strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}
