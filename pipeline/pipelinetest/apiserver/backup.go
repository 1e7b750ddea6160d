package apiserver

import (
	"fmt"
	"os"
	"slices"
)

// Backup is what a server held at some time.
type Backup struct {
	dir    string
	events int // that were written down by then
}

// Backup copies what etcd holds. Both programs are killed for it and started again.
func (s *Server) Backup() Backup {
	s.t.Helper()
	b := Backup{dir: s.path(fmt.Sprint("backup-", len(s.recorded.restorations)))}
	s.replaceData(func() error {
		b.events = len(s.recorded.events)
		if err := os.RemoveAll(b.dir); err != nil {
			return err
		}
		return os.CopyFS(b.dir, os.DirFS(s.path("etcd")))
	})
	return b
}

// Restore kills the server and starts it again on what it held at the time of
// a backup. Resource versions go on from there: those that were given since are given again.
func (s *Server) Restore(b Backup) {
	s.t.Helper()
	s.replaceData(func() error {
		s.recorded.restorations = append(s.recorded.restorations, restoration{at: len(s.recorded.events), from: b.events})
		if err := os.RemoveAll(s.path("etcd")); err != nil {
			return err
		}
		return os.CopyFS(s.path("etcd"), os.DirFS(b.dir))
	})
}

// replaceData does something with the data while nothing uses them, and all that was written is written down.
func (s *Server) replaceData(do func() error) {
	s.t.Helper()
	s.api.Kill()
	s.etcd.Kill()
	s.read()
	if err := do(); err != nil {
		s.t.Fatalf("copying the data of API server %q: %v", s.config.Name, err)
	}
	s.etcd = s.etcd.Again()
	s.Start()
}

// restoration says that the server went back to where it was after a number of events.
type restoration struct{ at, from int }

// writes turns the events into writes. What an object was before a write is only
// known within one history: the one that a restoration begins has the events before its backup, and not those after.
func (r recording) writes() Writes {
	var all Writes
	begin, from := 0, 0
	for _, end := range append(slices.Clone(r.restorations), restoration{at: len(r.events)}) {
		all = append(all, history(slices.Concat(r.events[:from], r.events[begin:end.at]))[from:]...)
		begin, from = end.at, end.from
	}
	return all
}
