package pipelinetest

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/redis/go-redis/v9"
)

// User makes an ACL user with these rules and returns the server's address for it, as redisconn takes it.
func (s *Server) User(name string, rules ...string) string {
	s.t.Helper()
	const password = "a word that only tests know"
	client := redis.NewClient(s.options())
	defer client.Close()
	if err := client.ACLSetUser(context.Background(), name, slices.Concat([]string{"reset", "on", ">" + password}, rules)...).Err(); err != nil {
		s.t.Fatalf("making the Redis user %q: %v", name, err)
	}
	return (&url.URL{Scheme: "unix", User: url.UserPassword(name, password), Path: s.Socket()}).String()
}

// Denied lists what the server refused to its users so far, the newest first: "east may not xadd (command)".
func (s *Server) Denied() []string {
	s.t.Helper()
	client := redis.NewClient(s.options())
	defer client.Close()
	entries, err := client.ACLLog(context.Background(), 128).Result()
	if err != nil {
		s.t.Fatalf("reading what the server refused: %v", err)
	}
	denied := make([]string, len(entries))
	for i, e := range entries {
		denied[i] = fmt.Sprintf("%s may not %s (%s)", e.Username, e.Object, e.Reason)
	}
	return denied
}
