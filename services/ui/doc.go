// Package ui is the operator's window on the fleet.
//
// It reads snapshot/*, output/*, status/*, applied/*, insight/* and registry/clusters, and the heartbeats of the agents.
// It writes view/*: what its pages read, materialised by the consumer group "ui".
// It serves web pages, the same as JSON under /api, and server-sent events that keep pages live.
//
// Its two halves meet in Redis only: package materialise writes views, package
// web reads them. Any number of replicas may run, with or without one another.
package ui
