// Package compose builds every image and runs deploy/compose on a Docker engine.
// It takes minutes, so it runs where it is asked for only:
//
//	MESHWEIR_REQUIRE=docker go test -timeout 30m ./test/compose
//
// The images of others that the compose file names must be there, or be pulled.
package compose
