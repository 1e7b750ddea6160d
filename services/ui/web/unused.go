package web

import (
	"net"
	"net/http"
	"sync"
)

// unused are the connections on which no request came yet. Browsers open some
// ahead, and a server that ends would wait for their requests for seconds.
type unused struct{ conns sync.Map }

// note is a [http.Server]'s ConnState.
func (u *unused) note(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		u.conns.Store(conn, nil)
	} else {
		u.conns.Delete(conn)
	}
}

func (u *unused) close() {
	u.conns.Range(func(conn, _ any) bool {
		conn.(net.Conn).Close() //nolint:forcetypeassert // note stores nothing else
		return true
	})
}
