package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// hub renders what open pages show, once for all viewers of an address, at most
// once in an interval.
type hub struct {
	server   *Server
	interval time.Duration

	mu      sync.Mutex // guards what follows
	feeds   map[string]*feed
	viewers int
}

// feed is one address that somebody looks at.
type feed struct {
	viewers int // guarded by hub.mu
	stop    context.CancelFunc

	mu      sync.Mutex // guards what follows
	regions []region
	gone    bool          // the page is not there any more
	moved   chan struct{} // closed, and replaced, when regions changed
}

// join returns the feed of an address, which leave must be called for. It is nil
// when there are too many viewers.
func (h *hub) join(p *page, a address) *feed {
	key := a.path + "?" + a.query.Encode()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.viewers >= h.server.cfg.MaxStreams {
		return nil
	}
	h.viewers++
	f := h.feeds[key]
	if f == nil {
		ctx, stop := context.WithCancel(h.server.life)
		f = &feed{stop: stop, moved: make(chan struct{})}
		h.feeds[key] = f
		h.server.background.Go(func() { h.render(ctx, f, p, a) })
	}
	f.viewers++
	return f
}

func (h *hub) leave(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
	if f.viewers--; f.viewers > 0 {
		return
	}
	f.stop()
	for key, other := range h.feeds {
		if other == f {
			delete(h.feeds, key)
		}
	}
}

// render keeps a feed true until ctx ends.
func (h *hub) render(ctx context.Context, f *feed, p *page, a address) {
	for {
		fleet, moved := h.server.mirror.fleet()
		data, _, err := p.data(ctx, fleet, a)
		var regions []region
		if err == nil {
			regions, err = h.server.renderer.regions(p, fleet, data)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.server.log.DebugContext(ctx, "an open page cannot be rendered", "path", a.path, "error", err)
		}
		var bad badRequest
		f.show(regions, errors.Is(err, errNotFound) || errors.As(err, &bad))
		select {
		case <-time.After(h.interval):
		case <-ctx.Done():
			return
		}
		var again <-chan time.Time
		if p.every > 0 { // at its own pace: what the fleet does is not what it shows
			again, moved = time.After(p.every), nil
		}
		select {
		case <-moved:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

func (f *feed) show(regions []region, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.regions, f.gone = regions, gone
	close(f.moved)
	f.moved = make(chan struct{})
}

// now returns what the feed shows; regions are nil before the first rendering.
func (f *feed) now() (regions []region, gone bool, moved <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.regions, f.gone, f.moved
}

// live answers with a page's events: each replaces a region. It begins with
// all regions unless the viewer has them already.
func (s *Server) live(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := newAddress(r)
		if err == nil {
			a.query, err = url.ParseQuery(r.URL.Query().Get("page"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.path = strings.TrimPrefix(a.path, "/live")
		f := s.hub.join(p, a)
		if f == nil {
			http.Error(w, "too many open pages; this one is not live", http.StatusServiceUnavailable)
			return
		}
		defer s.hub.leave(f)
		have := r.Header.Get("Last-Event-ID")
		if have == "" {
			have = r.URL.Query().Get("have")
		}
		v := viewer{out: w, control: http.NewResponseController(w), sent: map[string]uint64{}, have: have}
		if err := v.control.SetReadDeadline(time.Time{}); err != nil { // it ends requests that last
			s.fail(w, r, fmt.Errorf("lifting a deadline: %w", err))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy that holds events back makes the page late
		if v.say("retry: 2000\n\n") == nil {
			v.watch(r.Context(), s.life, f, s.cfg.PingEvery)
		}
	}
}

// viewer is one open page.
type viewer struct {
	out     io.Writer
	control *http.ResponseController
	sent    map[string]uint64
	have    string
}

func (v *viewer) watch(ctx, life context.Context, f *feed, pingEvery time.Duration) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		regions, gone, moved := f.now()
		if gone {
			// The browser would connect again and again to what is not there.
			v.say("event: gone\ndata:\n\n") //nolint:errcheck // it is over either way
			return
		}
		if regions != nil && v.send(regions) != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-moved:
				waiting = false
			case <-ping.C:
				if v.say(": ping\n\n") != nil {
					return
				}
			case <-ctx.Done():
				return
			case <-life.Done():
				return
			}
		}
	}
}

// send sends the regions that the viewer does not have.
func (v *viewer) send(regions []region) error {
	state := stateOf(regions)
	var b strings.Builder
	for _, r := range regions {
		if v.sent[r.name] == r.hash {
			continue
		}
		known := v.have == state
		v.sent[r.name] = r.hash
		if known {
			continue
		}
		fmt.Fprintf(&b, "event: %s\nid: %s\n", r.name, state)
		// A carriage return ends a line of an event, too: what an object says must not become an event of its own.
		for line := range strings.SplitSeq(strings.ReplaceAll(string(r.html), "\r", "\n"), "\n") {
			b.WriteString("data: " + line + "\n")
		}
		b.WriteByte('\n')
	}
	v.have = ""
	if b.Len() == 0 {
		return nil
	}
	return v.say(b.String())
}

// say writes, within the time that a browser which still listens needs.
func (v *viewer) say(text string) error {
	if err := v.control.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := io.WriteString(v.out, text); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	if err := v.control.Flush(); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	return nil
}
