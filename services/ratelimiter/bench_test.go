package ratelimiter

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	limitpb "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// BenchmarkDecide is a decision without gRPC, of 64 callers at once; test/ratelimit measures the whole beside its peer.
func BenchmarkDecide(b *testing.B) {
	for _, bench := range []struct {
		name     string
		requests uint32
		keys     []string
	}{
		{"allowed", 1 << 30, []string{"user"}},
		{"over", 1, []string{"user"}},
		{"two descriptors", 1 << 30, []string{"user", "path"}},
		{"no rule", 1, []string{"other"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := New(slog.New(slog.DiscardHandler), pipelinetest.Real(b), Config{Deadline: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			terms := limits.Terms{Limit: &limits.Limit{Requests: bench.requests, Unit: "year"}}
			config, err := rules.Build(limits.Domain{Domain: "bench", Descriptors: []limits.Rule{{Key: "user", Terms: terms}, {Key: "path", Terms: terms}}})
			if err != nil {
				b.Fatal(err)
			}
			s.SetRules(config)
			var calls []*pb.RateLimitRequest
			for i := range 1000 {
				call := &pb.RateLimitRequest{Domain: "bench"}
				for _, key := range bench.keys {
					call.Descriptors = append(call.Descriptors, &limitpb.RateLimitDescriptor{Entries: []*limitpb.RateLimitDescriptor_Entry{{Key: key, Value: fmt.Sprint("value-", i)}}})
				}
				calls = append(calls, call)
				for range 2 {
					if _, err := s.decider.decide(time.Now(), call); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportAllocs()
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(next *testing.PB) {
				for i := 0; next.Next(); i++ {
					if _, err := s.decider.decide(time.Now(), calls[i%len(calls)]); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
