package stream_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// proxy stands between a client and its server and breaks connections on command.
type proxy struct {
	upstream redis.Options
	listener net.Listener
	conns    sync.WaitGroup
	// cutAfter, when above 0, is the number of bytes from clients after which every connection breaks.
	cutAfter atomic.Int64
	// loseReply, once, lets a request that contains it pass and breaks the connection before the reply.
	loseReply atomic.Pointer[string]
}

func newProxy(t testing.TB, server redis.UniversalClient) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{upstream: *server.(*redis.Client).Options(), listener: listener}
	p.conns.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.conns.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.upstream.Network, p.upstream.Addr)
		if err != nil {
			client.Close()
			continue
		}
		done := func() { client.Close(); server.Close() }
		var lose atomic.Bool
		p.conns.Go(func() {
			p.requests(client, server, &lose)
			if !lose.Load() { // else the server is to carry out what it was sent before anything breaks
				done()
			}
		})
		p.conns.Go(func() { defer done(); replies(client, server, &lose) })
	}
}

func (p *proxy) requests(client, server net.Conn, lose *atomic.Bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if word := p.loseReply.Load(); word != nil && bytes.Contains(bytes.ToLower(buf[:n]), []byte(*word)) {
			p.loseReply.Store(nil)
			lose.Store(true)
		}
		if left := p.cutAfter.Load(); left > 0 {
			if int64(n) >= left {
				_, _ = server.Write(buf[:left]) // cut off either way
				p.cutAfter.Store(1)
				return
			}
			p.cutAfter.Add(-int64(n))
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if lose.Load() {
			_ = server.(interface{ CloseWrite() error }).CloseWrite()
			return
		}
	}
}

func replies(client, server net.Conn, lose *atomic.Bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if lose.Load() {
			_, _ = io.Copy(io.Discard, server) // until it has carried out everything
			return
		}
		if _, err := io.Copy(client, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}

// dial returns one more client of a server, with other options.
func dial(t testing.TB, server redis.UniversalClient, change func(*redis.Options)) redis.UniversalClient {
	t.Helper()
	o := server.(*redis.Client).Options()
	options := redis.Options{
		Network: o.Network, Addr: o.Addr, PoolSize: 100, PipelinePoolSize: -1,
		MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
	}
	if change != nil {
		change(&options)
	}
	client := redis.NewClient(&options)
	t.Cleanup(func() { client.Close() })
	return client
}

func (p *proxy) dial(t testing.TB, retries int) redis.UniversalClient {
	return dial(t, redis.NewClient(&p.upstream), func(o *redis.Options) {
		o.Network, o.Addr, o.MaxRetries = "tcp", p.listener.Addr().String(), retries
	})
}
