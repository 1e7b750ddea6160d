package devgateway

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/meshweir/meshweir/services/devgateway/guard"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// Headers of the gateway's own.
const (
	// markHeader is on every answer that comes from the gateway itself and from no backend, and says what it is.
	markHeader = "X-Meshweir-Devgateway"
	// clusterHeader on a request names the cluster whose Gateways it is for, where several serve its host.
	clusterHeader = "X-Meshweir-Cluster"
)

func (g *Gateway) handle(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == statusPath {
		g.serveStatus(w, r)
		return
	}
	request := requestOf(r)
	clusters := *g.table.Load()
	if name := r.Header.Get(clusterHeader); name != "" {
		clusters = slices.DeleteFunc(slices.Clone(clusters), func(c *routing.Cluster) bool { return c.Name != name })
	}
	found, ok := routing.Find(clusters, request)
	switch {
	case !ok:
		noRoute(w, request, fmt.Sprintf("no Gateway serves the host %q over %s", request.Host, request.Scheme()))
	case found.Route == nil:
		noRoute(w, request, fmt.Sprintf("the host %q of cluster %s has no route for %s %s", found.Host, found.Cluster.Name, r.Method, request.Path))
	default:
		g.route(w, r, request, found)
	}
}

// requestOf returns what routes are found by.
func requestOf(r *http.Request) *routing.Request {
	request := &routing.Request{
		TLS: r.TLS != nil, Authority: r.Host, Host: strings.ToLower(r.Host), Method: r.Method, Header: r.Header,
		Path: cleanPath(r.URL.EscapedPath()), Query: r.URL.RawQuery,
		GRPC: r.ProtoMajor >= 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"),
	}
	if r.TLS != nil {
		request.ServerName = strings.ToLower(r.TLS.ServerName)
	}
	if host, text, err := net.SplitHostPort(request.Host); err == nil {
		request.Host = host
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			request.Port = uint32(port)
		}
	}
	return request
}

// cleanPath resolves dot segments, as Istio has Envoy do (pathNormalization BASE), and leaves all else as it is.
func cleanPath(raw string) string {
	raw = strings.ReplaceAll(raw, `\`, "/")
	if raw == "" {
		return "/"
	}
	if !strings.Contains(raw, "/.") {
		return raw
	}
	// path.Clean would merge slashes too.
	segments := strings.Split(raw, "/")
	kept := segments[:1]
	for i, s := range segments[1:] {
		last := i == len(segments)-2
		switch s {
		case ".":
		case "..":
			if len(kept) > 1 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.TrimPrefix(strings.Join(kept, "/"), "/")
}

// route does with a request what its route says: faults, then guards, then the backend, the order of Istio's filters.
func (g *Gateway) route(w http.ResponseWriter, r *http.Request, request *routing.Request, found routing.Found) {
	route := found.Route
	if route.Delay != nil && chance(route.Delay.Percent) && !wait(r.Context(), route.Delay.Wait) {
		return
	}
	if route.Abort != nil && chance(route.Abort.Percent) {
		answer(w, request, "fault", guard.Answer{Status: route.Abort.Status, Body: "fault filter abort"})
		return
	}
	switch {
	case route.Redirect != nil:
		route.Headers.Response.Apply(w.Header())
		w.Header().Set("Location", route.Redirect.Location(request))
		answer(w, request, "redirect", guard.Answer{Status: route.Redirect.Code})
		return
	case route.Direct != nil:
		route.Headers.Response.Apply(w.Header())
		answer(w, request, "direct-response", guard.Answer{Status: route.Direct.Status, Body: string(route.Direct.Body)})
		return
	}
	backend := pick(route.Backends)
	out := r.Clone(r.Context())
	out.Header.Del(clusterHeader)
	added := http.Header{}
	asked := guardRequest(r, request, backend)
	for _, g := range route.Guards {
		verdict := g.Judge(r.Context(), asked)
		addTo(added, verdict.Response)
		if verdict.Answer != nil {
			addTo(w.Header(), added)
			answer(w, request, "denied", *verdict.Answer)
			return
		}
		addTo(out.Header, verdict.Request)
	}
	out.Host = request.Authority
	if route.Authority != "" {
		out.Host = route.Authority
	}
	setPath(out, route.Rewrite(request.Path))
	backend.Headers.Request.Apply(out.Header)
	route.Headers.Request.Apply(out.Header)
	if route.Timeout > 0 {
		ctx, cancel := context.WithTimeout(out.Context(), route.Timeout)
		defer cancel()
		out = out.WithContext(ctx)
	}
	change := func(header http.Header) {
		backend.Headers.Response.Apply(header)
		route.Headers.Response.Apply(header)
		addTo(header, added)
	}
	mirrors := g.upstream.mirror(out, route.Mirrors)
	if len(backend.Addresses) == 0 {
		change(w.Header())
		echo(w, out, request, found, backend, mirrors)
		return
	}
	g.upstream.proxy(w, out, request, backend.Addresses, change)
}

func guardRequest(r *http.Request, request *routing.Request, backend routing.Backend) *guard.Request {
	asked := &guard.Request{
		Method: r.Method, Host: r.Host, Path: request.Path, Header: r.Header, Scheme: request.Scheme(), Cluster: backend.Cluster(), GRPC: request.GRPC,
	}
	if request.Query != "" {
		asked.Path += "?" + request.Query
	}
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		asked.Remote = remote.Addr().Unmap().WithZone("")
	}
	return asked
}

// setPath sets the path of a request as it is to be sent, encoded.
func setPath(r *http.Request, encoded string) {
	to := *r.URL
	to.RawPath = encoded
	if decoded, err := url.PathUnescape(encoded); err == nil {
		to.Path = decoded
	} else {
		to.Path, to.RawPath = encoded, ""
	}
	r.URL = &to
}

func addTo(to, from http.Header) {
	for name, values := range from {
		for _, value := range values {
			to.Add(name, value)
		}
	}
}

// pick returns one of the backends, by chance and weight.
func pick(backends []routing.Backend) routing.Backend {
	total := 0
	for _, b := range backends {
		total += b.Weight
	}
	n := rand.IntN(max(total, 1))
	for _, b := range backends {
		if n -= b.Weight; n < 0 {
			return b
		}
	}
	return backends[0]
}

func chance(percent float64) bool { return rand.Float64()*100 < percent }

// wait reports whether the time went by before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// noRoute answers what no route takes, and says to whom may wonder why.
func noRoute(w http.ResponseWriter, request *routing.Request, why string) {
	text, _ := json.Marshal(map[string]string{"error": why, "served": "GET " + statusPath}) // texts marshal
	w.Header().Set("Content-Type", "application/json")
	answer(w, request, "no-route", guard.Answer{Status: http.StatusNotFound, Body: string(text) + "\n", GRPCStatus: uint32(codes.Unimplemented)})
}

// answer answers a request in place of a backend.
func answer(w http.ResponseWriter, request *routing.Request, mark string, a guard.Answer) {
	header := w.Header()
	header.Set(markHeader, mark)
	if request.GRPC {
		status := a.GRPCStatus
		if status == 0 {
			status = uint32(grpcStatus(a.Status))
		}
		header.Set("Content-Type", "application/grpc")
		header.Set("Grpc-Status", strconv.FormatUint(uint64(status), 10))
		if a.Body != "" {
			header.Set("Grpc-Message", strings.TrimSpace(strings.ReplaceAll(a.Body, "%", "%25")))
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	if a.Body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "text/plain")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Body)) // a client that has gone needs none
}

// grpcStatus is the status that Envoy makes of one of HTTP (Grpc::Utility::httpToGrpcStatus).
func grpcStatus(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}
