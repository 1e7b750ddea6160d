// Package guard is the seam between the development gateway and what may answer a request before its backend does, as
// filters do in Envoy: rate limits (package limit) are one guard. Guards are asked in the order of their filters.
package guard

import (
	"context"
	"net/http"
	"net/netip"
)

// Request is a request as guards see it, after its route was found and before anything of it was changed.
type Request struct {
	// Method, Host, Path and Header are those of the request. Path has its query, and nothing in it is decoded.
	Method, Host, Path string
	Header             http.Header
	// Scheme is http or https.
	Scheme string
	// Remote is the client's address; invalid where it has no IP address.
	Remote netip.Addr
	// Cluster is the name that Istio gives the route's destination, "outbound|80||catalog.shop.svc.cluster.local".
	Cluster string
	// GRPC says that the client speaks gRPC.
	GRPC bool
	// Metadata looks up what filters before this one know of the request: the value at a path under a filter's name, as in
	// Envoy's dynamic metadata. Nil means that they know nothing.
	Metadata func(filter string, path []string) (any, bool)
}

// Verdict is what a guard says of a request.
type Verdict struct {
	// Answer is the answer that the client gets at once; nil lets the request go on.
	Answer *Answer
	// Request and Response are headers that are added to the request that goes on, and to the response, whoever makes it.
	Request, Response http.Header
}

// Answer is an answer that a guard makes.
type Answer struct {
	Status int
	Body   string
	// GRPCStatus is what a client of gRPC is told instead; 0 derives it from Status.
	GRPCStatus uint32
}

// Guard judges the requests of one route.
type Guard interface {
	Judge(ctx context.Context, r *Request) Verdict
}
