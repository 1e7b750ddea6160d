package devgateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meshweir/meshweir/services/devgateway/guard"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// Bounds of mirrored requests.
const (
	mirrorBytes = 1 << 20
	mirrorTime  = 10 * time.Second
)

// upstream calls endpoints.
type upstream struct {
	log   *slog.Logger
	plain *http.Transport
	grpc  *http.Transport // speaks HTTP/2 in the clear
	turn  atomic.Uint64

	// life ends with the gateway; mirrors waits for the copies that are under way.
	life    context.Context //nolint:containedctx // copies outlive their requests, not the gateway
	end     context.CancelFunc
	mirrors sync.WaitGroup
}

func newUpstream(log *slog.Logger) *upstream {
	transport := func(http2 bool) *http.Transport {
		t := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, Protocols: new(http.Protocols)}
		t.Protocols.SetHTTP1(!http2)
		t.Protocols.SetUnencryptedHTTP2(http2)
		return t
	}
	u := &upstream{log: log, plain: transport(false), grpc: transport(true)}
	u.life, u.end = context.WithCancel(context.Background())
	return u
}

// close ends what is under way.
func (u *upstream) close() {
	u.end()
	u.mirrors.Wait()
	u.plain.CloseIdleConnections()
	u.grpc.CloseIdleConnections()
}

func (u *upstream) transport(request *routing.Request) *http.Transport {
	if request.GRPC {
		return u.grpc
	}
	return u.plain
}

// next returns the addresses in turn.
func (u *upstream) next(addresses []string) string {
	return addresses[u.turn.Add(1)%uint64(len(addresses))]
}

// proxy sends a request to one of the addresses, and its answer back.
func (u *upstream) proxy(w http.ResponseWriter, r *http.Request, request *routing.Request, addresses []string, change func(http.Header)) {
	address := u.next(addresses)
	proxy := httputil.ReverseProxy{
		Transport: u.transport(request), FlushInterval: -1, ErrorLog: slog.NewLogLogger(u.log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", address, r.Host
			p.Out.URL.RawQuery = r.URL.RawQuery
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
			p.Out.Header.Del("X-Forwarded-Host")
		},
		ModifyResponse: func(response *http.Response) error { change(response.Header); return nil },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			u.log.DebugContext(r.Context(), "an endpoint gave no answer", "address", address, "error", err)
			failure := guard.Answer{Status: http.StatusServiceUnavailable, Body: "upstream connect error or disconnect: " + err.Error()}
			if errors.Is(err, context.DeadlineExceeded) {
				failure = guard.Answer{Status: http.StatusGatewayTimeout, Body: "upstream request timeout"}
			}
			change(w.Header())
			answer(w, request, "failed", failure)
		},
	}
	proxy.ServeHTTP(w, r)
}

// mirror sends copies of a request, and returns the hosts that a copy is for. Nobody waits for their answers.
func (u *upstream) mirror(r *http.Request, to []routing.Mirror) (hosts []string) {
	var chosen []routing.Mirror
	for _, m := range to {
		if chance(m.Percent) {
			hosts = append(hosts, m.Host)
			if len(m.Addresses) > 0 {
				chosen = append(chosen, m)
			}
		}
	}
	if len(chosen) == 0 {
		return hosts
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, mirrorBytes+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	if err != nil || len(body) > mirrorBytes {
		u.log.WarnContext(r.Context(), "a request is not mirrored: its body cannot be read, or has more than 1 MiB", "path", r.URL.Path, "error", err)
		return hosts
	}
	for _, m := range chosen {
		u.mirrors.Go(func() {
			ctx, cancel := context.WithTimeout(u.life, mirrorTime)
			defer cancel()
			out := r.Clone(ctx)
			out.RequestURI, out.Body, out.ContentLength = "", io.NopCloser(bytes.NewReader(body)), int64(len(body))
			out.URL.Scheme, out.URL.Host, out.Host = "http", u.next(m.Addresses), r.Host+"-shadow" // as Envoy names copies
			response, err := u.plain.RoundTrip(out)
			if err != nil {
				u.log.DebugContext(ctx, "a mirror gave no answer", "host", m.Host, "error", err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		})
	}
	return hosts
}
