package redisconn

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"
)

// Embedded is a Redis inside this process, for one machine and for tests.
// It keeps nothing when the process ends, has one copy of the data, and knows
// no ACL users, no CONFIG and no keyspace notifications. TestEmbeddedRedis pins
// what the pipeline uses of it and says where it differs from a real Redis.
type Embedded struct {
	server *miniredis.Miniredis
}

// StartEmbedded starts a server on addr, "host:port" of a loopback address. An
// empty addr means a free port of 127.0.0.1. Times to live run by the wall
// clock. The caller closes it, after those that use it.
func StartEmbedded(log *slog.Logger, addr string) (*Embedded, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	if err := checkLoopback(addr); err != nil {
		return nil, fmt.Errorf("starting the embedded Redis on %q: %w", addr, err)
	}
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	if err := server.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("starting the embedded Redis on %q: %w", addr, err)
	}
	server.Server().SetPreHook(func(peer *redisserver.Peer, command string, args ...string) bool {
		switch {
		case command == "FLUSHALL" || command == "FLUSHDB":
			deleteEach(server)
		case command == "INFO" && len(args) == 0: // whoever reaches it by redis:// is to know what it is
			peer.WriteBulk("# Server\r\nredis_mode:" + string(ModeEmbedded) + "\r\n")
			return true
		}
		return false
	})
	e := &Embedded{server: server}
	log.Info("embedded redis started", "url", e.URL())
	return e, nil
}

// deleteEach deletes every key by itself. The library's flush forgets to fail
// transactions that watch a key, which a real server's does.
func deleteEach(server *miniredis.Miniredis) {
	const databases = 16
	for i := range databases {
		db := server.DB(i)
		for _, key := range db.Keys() {
			db.Del(key)
		}
	}
}

// checkLoopback refuses addresses that others could reach: the server asks nobody for a password.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("it takes loopback addresses only, such as 127.0.0.1:6379, because it asks for no password")
	}
	return nil
}

// URL is the "embedded://host:port" that [Open] takes.
func (e *Embedded) URL() string { return "embedded://" + e.server.Addr() }

// Addr is the "host:port" that the server listens on.
func (e *Embedded) Addr() string { return e.server.Addr() }

// Close ends the server and every connection to it. What it held is gone.
func (e *Embedded) Close() { e.server.Close() }
