// Package envoy reads Envoy's routes: what becomes of a request, by the rules of
// Envoy's documentation (config.route.v3). It knows what Istio's HTTP routes use,
// and fails on what it does not know. It also judges EnvoyFilters by Envoy's protos.
package envoy
