// Package materialise is the half of the ui that writes view/*.
//
// It follows snapshot/*, output/*, status/*, applied/* and registry/clusters in memory. What changes
// there marks rows dirty; an event of the consumer group "ui" makes this replica
// of the service, and no other, compute and write them:
//
//	event ─▶ wait until the followed state has it ─▶ one pass for all that wait ─▶ ack
//
// A pass computes what is dirty with the pure functions of package view, stages
// it and flushes what then differs, with the positions of the inputs that it was
// computed from. On start and every now and then a pass compares everything
// with what Redis holds. At rest nothing is written.
//
// Beside this a historian notes what became of objects, in view/history.<cluster>: no state
// that others depend on, and so written apart from the passes, a little later.
package materialise
