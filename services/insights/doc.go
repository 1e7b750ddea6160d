// Package insights finds what is wrong or risky in a fleet, says so with
// evidence and a way to mend it, and stops saying so when it is mended.
//
// It reads snapshot/*, applied/*, registry/clusters and the heartbeats of the agents. It writes insight/* (see package
// schemas/insight). It serves health and metrics only.
package insights
