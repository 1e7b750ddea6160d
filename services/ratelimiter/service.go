package ratelimiter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/ratelimiter/counter"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// Config tunes a [Service]. The zero value is usable.
type Config struct {
	// Listen is the address of the gRPC service. Default 127.0.0.1:8081.
	Listen string
	// ListenHTTP is the address of /json, /healthcheck and /counters. Default 127.0.0.1:8082.
	ListenHTTP string
	// Listener and ListenerHTTP are used instead, where they are open already. Run closes them.
	Listener, ListenerHTTP net.Listener
	// Rules tells the rules each time that they change, until ctx ends. Default: those that [Service.SetRules] is given.
	Rules func(ctx context.Context, set func(*rules.Config)) error
	// Deadline is the longest time that a call waits for Redis. Default 15 ms, less than the 20 that Envoy waits.
	Deadline time.Duration
	// Replicas is how many limiters there are, for limits that count locally while Redis is away. Default: as many as say in
	// Redis that they live.
	Replicas int
	// Lanes is how many batches one Redis server may be asked at once. Default 1.
	Lanes int
	// Headers adds RateLimit-Limit, -Remaining, -Reset and -Policy to answers.
	Headers bool
	// Metadata adds dynamic metadata to each answer, as envoyproxy/ratelimit does. What a shadow limit would have denied is always said.
	Metadata bool
	// Shadow denies no call at all, and Quota makes a quota of each limit.
	Shadow, Quota bool
	// Hide are keys of entries whose values must not be seen, besides those that look like secrets.
	Hide []string
	// MaxConnectionAge closes connections of that age in good order, so that gateways find new replicas. Default never.
	MaxConnectionAge time.Duration
	// TLS is for the gRPC service. Default none.
	TLS TLS
	// Meter receives metrics. Default none.
	Meter metric.Meter
}

// Service is the rate limiter.
type Service struct {
	log      *slog.Logger
	cfg      Config
	counters *counter.Counters
	replicas *counter.Replicas
	decider  *decider
	tls      *tls.Config
}

// New returns a limiter that counts in a Redis whose client retries nothing.
func New(log *slog.Logger, client redis.UniversalClient, cfg Config) (*Service, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:8081"
	}
	if cfg.ListenHTTP == "" {
		cfg.ListenHTTP = "127.0.0.1:8082"
	}
	secure, err := cfg.TLS.config(log)
	if err != nil {
		return nil, fmt.Errorf("making the rate limiter: %w", err)
	}
	s := &Service{log: log, cfg: cfg, tls: secure, replicas: counter.NewReplicas(log, client)}
	replicas := s.replicas.Count
	if cfg.Replicas > 0 {
		replicas = func() int { return cfg.Replicas }
	}
	// Metrics ask the counters, which tell the metrics.
	m, err := newMetrics(cfg.Meter, func() error { return s.counters.Open() })
	if err != nil {
		return nil, fmt.Errorf("making the rate limiter: %w", err)
	}
	s.counters, err = counter.New(client, counter.Config{
		Deadline: cfg.Deadline, Lanes: cfg.Lanes, Observe: m.observe, Replicas: replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("making the rate limiter: %w", err)
	}
	s.decider = &decider{cfg: cfg, counters: s.counters, metrics: m, watch: newWatch(), secrets: newSecrets(cfg.Hide)}
	s.decider.scratch.New = func() any { return &scratch{} }
	return s, nil
}

// SetRules puts rules into force.
func (s *Service) SetRules(config *rules.Config) { s.decider.current.Store(s.decider.compile(config)) }

// Counters returns the callers that are closest to their limits, or over them, of one domain or of all ("").
func (s *Service) Counters(n int, domain string) []Counter {
	return s.decider.watch.top(time.Now(), n, domain)
}

func (s *Service) loaded() error {
	if s.decider.current.Load() == nil {
		return errors.New("no rules have been read yet")
	}
	return nil
}

// Ready returns an error while no rules have been read, or Redis does not answer.
func (s *Service) Ready(ctx context.Context) error {
	return errors.Join(s.loaded(), s.counters.Ready(ctx))
}

// Run serves until ctx ends. It can run once.
func (s *Service) Run(ctx context.Context) error {
	runs := []func(context.Context) error{s.serveGRPC, s.serveHTTP, s.replicas.Run}
	if s.cfg.Rules != nil {
		runs = append(runs, func(ctx context.Context) error { return s.cfg.Rules(ctx, s.SetRules) })
	}
	if err := process.Together(ctx, runs...); err != nil {
		return fmt.Errorf("running the rate limiter: %w", err)
	}
	return nil
}

// limiter is the gRPC service.
type limiter struct {
	pb.UnimplementedRateLimitServiceServer
	decider *decider
}

// ShouldRateLimit is part of [pb.RateLimitServiceServer].
func (l *limiter) ShouldRateLimit(_ context.Context, request *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	now := time.Now()
	answer, err := l.decider.decide(now, request)
	l.decider.metrics.duration.Record(l.decider.metrics.background, time.Since(now).Seconds())
	return answer, err
}

// drainTime bounds how long calls may take to end when the service does.
const drainTime = 5 * time.Second

func (s *Service) serveGRPC(ctx context.Context) error {
	listener, err := listen(ctx, s.cfg.Listener, s.cfg.Listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer(s.serverOptions()...)
	pb.RegisterRateLimitServiceServer(server, &limiter{decider: s.decider})
	healths := health.NewServer()
	healthpb.RegisterHealthServer(server, healths)
	reflection.Register(server)
	s.log.InfoContext(ctx, "rate limits served", "address", listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		healths.Shutdown() // gateways that ask go elsewhere
		stop := time.AfterFunc(drainTime, server.Stop)
		server.GracefulStop()
		stop.Stop()
		err = <-ended
	}
	if err != nil {
		return fmt.Errorf("serving rate limits: %w", err)
	}
	return nil
}

func (s *Service) serveHTTP(ctx context.Context) error {
	listener, err := listen(ctx, s.cfg.ListenerHTTP, s.cfg.ListenHTTP)
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "rate limits served by http", "address", listener.Addr().String())
	server := &http.Server{Handler: s.pages(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if server.Shutdown(wait) != nil {
			server.Close()
		}
		err = <-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving rate limits by http: %w", err)
	}
	return nil
}

func listen(ctx context.Context, open net.Listener, address string) (net.Listener, error) {
	if open != nil {
		return open, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving rate limits: %w", err)
	}
	return listener, nil
}
