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
