package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Clients holds a connection to each rate limit service. The zero value is usable.
type Clients struct {
	mu    sync.Mutex // guards conns and closed
	conns map[string]*grpc.ClientConn
	// closed says that there are to be no connections any more.
	closed bool
}

// Ask asks the service at an address, in the clear.
func (c *Clients) Ask(ctx context.Context, address string, request *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	conn, err := c.conn(address)
	if err != nil {
		return nil, fmt.Errorf("asking the rate limit service at %s: %w", address, err)
	}
	response, err := service.NewRateLimitServiceClient(conn).ShouldRateLimit(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("asking the rate limit service at %s: %w", address, err)
	}
	return response, nil
}

func (c *Clients) conn(address string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("the gateway ends")
	}
	if conn := c.conns[address]; conn != nil {
		return conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	if c.conns == nil {
		c.conns = map[string]*grpc.ClientConn{}
	}
	c.conns[address] = conn
	return conn, nil
}

// Close closes all connections.
func (c *Clients) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
