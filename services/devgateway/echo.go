package devgateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/meshweir/meshweir/services/devgateway/guard"
	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// echoed is what an echo says: the request as the backend would have got it, and how it was routed.
type echoed struct {
	Cluster        string      `json:"cluster"`
	Gateway        string      `json:"gateway"`
	Port           uint32      `json:"port"`
	VirtualService string      `json:"virtualService"`
	Route          string      `json:"route"`
	Backend        string      `json:"backend"`
	BackendPort    uint32      `json:"backendPort"`
	Method         string      `json:"method"`
	Authority      string      `json:"authority"`
	Path           string      `json:"path"`
	Headers        http.Header `json:"headers"`
	// Withheld are the names of headers that may hold credentials.
	Withheld []string `json:"withheld,omitempty"`
	// Mirrors are the hosts that a copy would go to.
	Mirrors []string `json:"mirrors,omitempty"`
	Why     string   `json:"why"`
}

// whyEcho says why a backend does not answer itself.
const whyEcho = "the backend has no endpoint that the development gateway may call"

// echo answers in place of a backend that has no endpoint in reach.
func echo(w http.ResponseWriter, r *http.Request, request *routing.Request, found routing.Found, backend routing.Backend, mirrors []string) {
	if request.GRPC {
		answer(w, request, "echo", guard.Answer{Status: http.StatusServiceUnavailable, Body: backend.Host + ": " + whyEcho, GRPCStatus: uint32(codes.Unavailable)})
		return
	}
	said := echoed{
		Cluster: found.Cluster.Name, Gateway: found.Route.Gateway, Port: found.Route.Port, VirtualService: found.Route.VirtualService, Route: found.Route.Name,
		Backend: backend.Host, BackendPort: backend.Port, Method: r.Method, Authority: r.Host, Path: r.URL.RequestURI(), Headers: http.Header{},
		Mirrors: mirrors, Why: whyEcho,
	}
	for name, values := range r.Header {
		if secret(name) {
			said.Withheld = append(said.Withheld, name)
		} else {
			said.Headers[name] = values
		}
	}
	slices.Sort(said.Withheld)
	text, err := json.MarshalIndent(said, "", "  ")
	if err != nil {
		answer(w, request, "failed", guard.Answer{Status: http.StatusInternalServerError, Body: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer(w, request, "echo", guard.Answer{Status: http.StatusOK, Body: string(text) + "\n"})
}

// secret reports whether a header's name says that its value is a credential.
func secret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"authorization", "cookie", "key", "token", "secret", "password", "jwt", "assertion", "signature", "client-cert"},
		func(part string) bool { return strings.Contains(name, part) })
}
