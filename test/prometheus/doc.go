// Package prometheus judges deploy/monitoring with Prometheus' own code: rules
// and queries are parsed by its parsers, what they name must be exported by a
// running product, and each alert fires on series that call for it and on no
// others. It is a module of its own: Prometheus brings many others.
package prometheus
