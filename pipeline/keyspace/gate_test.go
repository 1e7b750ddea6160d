package keyspace_test

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// gate holds commands back while it is closed; closing it waits for those under way.
type gate struct{ held sync.RWMutex }

func (g *gate) close() { g.held.Lock() }
func (g *gate) open()  { g.held.Unlock() }

func (*gate) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return g.pass(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return g.pass(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

type passing struct{}

// pass lets a command through while the gate is open, and with it the commands that open its connection.
func (g *gate) pass(ctx context.Context, command func(context.Context) error) error {
	if ctx.Value(passing{}) != nil {
		return command(ctx)
	}
	g.held.RLock()
	defer g.held.RUnlock()
	return command(context.WithValue(ctx, passing{}, true))
}
