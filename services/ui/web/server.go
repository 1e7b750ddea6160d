package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// Config tunes a [Server]. The zero value is usable.
type Config struct {
	// Listen is the address to listen on. Default 127.0.0.1:8080: the pages ask nobody who they are.
	Listen string
	// Listener is used instead of Listen, where one is open already. The server closes it.
	Listener net.Listener
	// Hosts are the host names, without port, that requests may be for. Default: those of this machine when Listen is
	// a loopback address, so that no other site can get at the pages by a name of its own (DNS rebinding); any otherwise.
	Hosts []string
	// Pipeline is a connection to the Redis of the store, through which the page of the pipeline looks at streams and
	// dead letters. It stays the caller's to close. Default: none, and the page says so.
	Pipeline *redisconn.Conn
	// Version is shown at the foot of the pages. Default "dev".
	Version string
	// BeatEvery is how often heartbeats are read. Default 2 s.
	BeatEvery time.Duration
	// Interval is the least time between two updates of an open page. Default 250 ms.
	Interval time.Duration
	// PingEvery keeps connections open while nothing changes. Default 15 s.
	PingEvery time.Duration
	// MaxStreams caps the pages that are open at once and live. Default 1,000.
	MaxStreams int
}

func (c Config) withDefaults() (Config, error) {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.Version = cmp.Or(c.Version, "dev")
	c.BeatEvery = cmp.Or(c.BeatEvery, 2*time.Second)
	c.Interval = cmp.Or(c.Interval, 250*time.Millisecond)
	c.PingEvery = cmp.Or(c.PingEvery, 15*time.Second)
	c.MaxStreams = cmp.Or(c.MaxStreams, 1000)
	if c.BeatEvery < 0 || c.Interval < 0 || c.PingEvery < 0 || c.MaxStreams < 0 {
		return c, errors.New("a time or limit is negative")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c, fmt.Errorf(`listen address %q: %w; want "host:port"`, c.Listen, err)
	}
	if c.Listener != nil {
		if host, _, err = net.SplitHostPort(c.Listener.Addr().String()); err != nil {
			host = ""
		}
	}
	if ip, err := netip.ParseAddr(host); len(c.Hosts) == 0 && (host == "localhost" || err == nil && ip.IsLoopback()) {
		c.Hosts = []string{"localhost", "127.0.0.1", "::1", host}
	}
	return c, nil
}

// Server serves the pages.
type Server struct {
	log      *slog.Logger
	store    *keyspace.Store
	cfg      Config
	mirror   *mirror
	watch    *watch // nil without Config.Pipeline
	renderer *renderer
	assets   *assets
	hub      *hub
	handler  http.Handler

	// life ends with Run; background waits for what lives in it.
	life       context.Context //nolint:containedctx // open streams outlive no Run
	end        context.CancelFunc
	background sync.WaitGroup
}

// New returns a server that serves once Run runs.
func New(log *slog.Logger, store *keyspace.Store, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("making the web server: %w", err)
	}
	s := &Server{log: log, store: store, cfg: cfg, watch: newWatch(cfg.Pipeline)}
	s.life, s.end = context.WithCancel(context.Background())
	if s.mirror, err = newMirror(log, store); err != nil {
		return nil, fmt.Errorf("making the web server: %w", err)
	}
	if s.assets, err = newAssets(); err != nil {
		return nil, fmt.Errorf("making the web server: %w", err)
	}
	if s.renderer, err = newRenderer(s.assets, cfg.Version, s.pages()); err != nil {
		return nil, fmt.Errorf("making the web server: %w", err)
	}
	s.hub = &hub{server: s, interval: cfg.Interval, feeds: map[string]*feed{}}
	s.handler = s.routes()
	return s, nil
}

// pages returns all pages. A page is listed here and nowhere else.
func (s *Server) pages() []*page {
	return []*page{
		overview(), clusters(), cluster(), resources(), s.resource(), topologies(), policies(), policyOfRoute(),
		insights(), insightDetail(), s.pipeline(), s.letter(),
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", s.assets)
	for _, p := range s.pages() {
		mux.HandleFunc("GET "+p.pattern, s.whenSynced(s.show(p)))
		mux.HandleFunc("GET /live"+p.pattern, s.whenSynced(s.live(p)))
		mux.HandleFunc("GET /api"+p.pattern, s.whenSynced(s.twin(p)))
	}
	mux.HandleFunc("POST /pipeline/dead-letters/{group}/{id}/replay", s.actOnLetter("replayed", (*stream.DeadLetters).Replay))
	mux.HandleFunc("POST /pipeline/dead-letters/{group}/{id}/drop", s.actOnLetter("dropped", (*stream.DeadLetters).Drop))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNotFound) })
	return s.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard sets what makes browsers keep others out, and refuses names that are not ours.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.ours(r.Host) {
			http.Error(w, "this server does not answer for host "+r.Host+"; set the ui's hosts to allow it", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return len(s.cfg.Hosts) == 0 || slices.ContainsFunc(s.cfg.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}

// whenSynced waits a moment for the first picture of the fleet: a page that shows half of it would lie.
func (s *Server) whenSynced(next http.HandlerFunc) http.HandlerFunc {
	const patience = 3 * time.Second
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.mirror.synced:
			next(w, r)
		case <-time.After(patience):
			w.Header().Set("Retry-After", "2")
			s.problem(w, r, problemPage{
				http.StatusServiceUnavailable, "Still reading the state of the fleet",
				"This ui has just started, or cannot reach Redis yet. Load the page again in a moment.",
			})
		case <-r.Context().Done():
		}
	}
}

// Ready returns an error while the server has no picture of the fleet yet.
func (s *Server) Ready(context.Context) error {
	select {
	case <-s.mirror.synced:
		return nil
	default:
		return errors.New("the views have not been read yet")
	}
}

// Run serves until ctx ends. It can run once.
func (s *Server) Run(ctx context.Context) error {
	defer s.background.Wait()
	defer s.end()
	listener := s.cfg.Listener
	if listener == nil {
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("listening for browsers: %w", err)
		}
	}
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	var ahead unused
	server.ConnState = ahead.note
	s.log.InfoContext(ctx, "pages served", "url", "http://"+listener.Addr().String()+"/")
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.background.Go(func() {
		err := server.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- err
			cancel()
		}
	})
	err := s.mirror.run(ctx, s.cfg.BeatEvery)
	s.end()
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	ahead.close()
	if server.Shutdown(closing) != nil {
		server.Close()
	}
	select {
	case serveErr := <-failed:
		return fmt.Errorf("serving pages: %w", serveErr)
	default:
	}
	if err != nil {
		return fmt.Errorf("following the views: %w", err)
	}
	return nil
}
