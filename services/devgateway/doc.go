// Package devgateway is a development gateway: a small reverse proxy that does what the Istio objects of output/<cluster> say, for
// `meshweir up` and tests, where no Envoy runs. That it does something proves nothing about Envoy.
//
// It reads output/<cluster>, and of snapshot/<cluster> the Services and EndpointSlices; it writes nothing. It serves, on one
// address for HTTP and one for HTTPS, the Gateways of all its clusters, and says at /.meshweir/devgateway what it serves and
// what it does not execute.
//
// Package routing compiles each cluster into a table that does not change and is swapped as a whole: the last good one
// stays until the next is complete. Package guard is the seam for what may answer before a backend does, package limit the
// guard that calls a rate limit service. A backend without an endpoint in reach is answered for by an echo.
package devgateway
