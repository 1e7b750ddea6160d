//go:build tools

// Package jaeger pins the Jaeger that tests of traces send to. It is a module of
// its own: Jaeger needs a replacement, and brings more modules than all the rest.
// `go run ./test/parts -build jaeger` builds it.
package jaeger

import _ "github.com/jaegertracing/jaeger/cmd/jaeger"
