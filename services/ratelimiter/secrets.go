package ratelimiter

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"

	limitpb "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// secrets knows the entries whose values must not be seen: they are counted, shown and logged as digests.
type secrets struct {
	also  []string // of the configuration, in lower case
	known sync.Map // key of an entry → bool
	size  atomic.Int64
}

func newSecrets(also []string) *secrets {
	s := &secrets{}
	for _, key := range also {
		s.also = append(s.also, strings.ToLower(key))
	}
	return s
}

// hides reports whether the values of entries with a key are secrets.
func (s *secrets) hides(key string) bool {
	if hidden, ok := s.known.Load(key); ok {
		return hidden.(bool)
	}
	lower := strings.ToLower(key)
	hidden := false
	for _, word := range []string{"authorization", "cookie", "password", "secret", "token", "api_key", "api-key", "apikey", "credential", "session"} {
		hidden = hidden || strings.Contains(lower, word)
	}
	for _, name := range s.also {
		hidden = hidden || lower == name
	}
	if s.size.Add(1) <= 1024 { // callers that bring their own limits may bring any keys
		s.known.Store(key, hidden)
	}
	return hidden
}

// digest stands for a value that must not be seen.
func digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// describe is a descriptor as metadata shows it.
func (d *decider) describe(descriptor *limitpb.RateLimitDescriptor) *structpb.Struct {
	var entries []*structpb.Value
	for _, e := range descriptor.GetEntries() {
		value := e.GetValue()
		if d.secrets.hides(e.GetKey()) {
			value = digest(value)
		}
		entries = append(entries, structpb.NewStringValue(e.GetKey()+"="+value))
	}
	fields := map[string]*structpb.Value{"entries": list(entries)}
	if l := descriptor.GetLimit(); l != nil {
		fields["limit"] = structpb.NewStringValue(l.String())
	}
	if hits := descriptor.GetHitsAddend(); hits != nil {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(hits.GetValue()))
	}
	return &structpb.Struct{Fields: fields}
}
