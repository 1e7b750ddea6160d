// Package ratelimiter answers whether a caller has had enough, in Envoy's rate limit protocol.
//
// It reads its rules from limitconfig, a folder of envoyproxy/ratelimit's YAML files, or an xDS management server. It
// writes counters, in a Redis that may be its own. It serves envoy.service.ratelimit.v3, /json, health and live counters.
package ratelimiter
