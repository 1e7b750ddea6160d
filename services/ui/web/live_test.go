package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/services/ui/view"
)

// event is a server-sent event.
type event struct{ name, id, data string }

// asBrowsersRead ends lines at carriage returns, too, as the standard of server-sent events has it.
type asBrowsersRead struct{ io.Reader }

func (r asBrowsersRead) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	for i, c := range b[:n] {
		if c == '\r' {
			b[i] = '\n'
		}
	}
	return n, err
}

// stream reads a page's events.
func (s *site) stream(path string, change func(*http.Request)) (status int, next func() event, end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	response, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	events := make(chan event)
	go func() {
		defer close(events)
		lines := bufio.NewScanner(asBrowsersRead{response.Body})
		lines.Buffer(nil, 1<<20)
		var e event
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data += value + "\n"
			case "":
				if strings.HasPrefix(lines.Text(), ": ping") {
					e = event{name: "ping"}
				}
				if e.name != "" {
					select {
					case events <- e:
					case <-ctx.Done():
						return
					}
				}
				e = event{}
			case "data:":
			}
		}
	}()
	end = func() {
		cancel()
		response.Body.Close()
		for range events {
		}
	}
	s.t.Cleanup(end)
	return response.StatusCode, func() event {
		s.t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(30 * time.Second):
			s.t.Fatal("no event came")
			return event{}
		}
	}, end
}

// liveOf returns the address of the events of a page, as the page itself says it.
func (s *site) liveOf(path string) string {
	s.t.Helper()
	_, body := s.get(path)
	_, rest, found := strings.Cut(body, `sse-connect="`)
	address, _, _ := strings.Cut(rest, `"`)
	if !found {
		s.t.Fatalf("%s has no events:\n%s", path, body)
	}
	return strings.ReplaceAll(address, "&amp;", "&")
}

// atRest waits for a ping: what there was to send was sent before it. It is an error if that was anything.
func atRest(t *testing.T, next func() event) {
	t.Helper()
	if e := next(); e.name != "ping" {
		t.Fatalf("a page at rest was sent %q, want a ping:\n%s", e.name, e.data)
	}
}

// news returns the next event that is no ping.
func news(next func() event) event {
	for {
		if e := next(); e.name != "ping" {
			return e
		}
	}
}

func TestLivePageGetsWhatChangedAndNothingElse(t *testing.T) {
	s := newSite(t, Config{PingEvery: 20 * time.Millisecond})
	s.eventually("/", "Connected")
	_, next, _ := s.stream(s.liveOf("/resources?q=cart"), nil)
	atRest(t, next)
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "new.example"})
	e := news(next)
	if e.name != "table" || !strings.Contains(e.data, "new.example") {
		t.Fatalf("the first event is %q, want the table with what is new:\n%s", e.name, e.data)
	}
	// A page that comes back gets what it missed, and nothing when it missed nothing.
	_, again, _ := s.stream("/live/resources?page=q%3Dcart", func(r *http.Request) { r.Header.Set("Last-Event-ID", e.id) })
	atRest(t, again)
	s.set("Service/shop/cart", view.Row{Place: view.PlaceLive, Detail: "another"})
	if e := news(again); e.name != "table" || !strings.Contains(e.data, "another") {
		t.Errorf("the page that came back was sent %q before what it missed:\n%s", e.name, e.data)
	}
	_, late, _ := s.stream("/live/resources?page=q%3Dcart&have=0", nil)
	if first, second := news(late), news(late); first.name+second.name != "noticetable" && first.name+second.name != "tablenotice" {
		t.Errorf("a page that has nothing was sent %q and %q", first.name, second.name)
	}
}

func TestLivePageEndsWhereNothingIsLeft(t *testing.T) {
	s := newSite(t, Config{})
	path := "/resources/east/HTTPRoute.gateway.networking.k8s.io/shop/cart"
	s.eventually(path, "cart")
	_, next, _ := s.stream(s.liveOf(path), nil)
	s.rows.Delete(cart)
	s.flush()
	for {
		e := next()
		if e.name == "gone" {
			break
		}
		if e.name == "" {
			t.Fatal("the events ended without a word")
		}
	}
}

func TestLivePagesArePingedCappedAndEnded(t *testing.T) {
	s := newSite(t, Config{PingEvery: 20 * time.Millisecond, MaxStreams: 2})
	s.eventually("/", "Connected")
	_, next, _ := s.stream(s.liveOf("/"), nil)
	atRest(t, next)
	_, _, endSecond := s.stream("/live/", nil)
	if status, _, _ := s.stream("/live/", nil); status != http.StatusServiceUnavailable {
		t.Errorf("one page too many answers %d", status)
	}
	endSecond()
	for deadline := time.Now().Add(30 * time.Second); ; {
		status, _, end := s.stream("/live/", nil)
		end()
		if status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a closed page is not given to another")
		}
	}
	// An open page is ended, not cut off.
	open, err := s.http.Get(s.url + "/live/") //nolint:noctx // it lasts until the server ends
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	s.stop()
	if _, err := io.Copy(io.Discard, open.Body); err != nil {
		t.Errorf("an open page was cut off: %v", err)
	}
}

func TestConnectionsThatNobodyUsedAreNotWaitedFor(t *testing.T) {
	var ahead unused
	first, other := net.Pipe()
	busy, peer := net.Pipe()
	defer other.Close()
	defer peer.Close()
	defer busy.Close()
	ahead.note(first, http.StateNew)
	ahead.note(busy, http.StateNew)
	ahead.note(busy, http.StateActive)
	ahead.close()
	if err := first.SetDeadline(time.Now()); err == nil {
		t.Error("a connection that nobody used is still open")
	}
	if err := busy.SetDeadline(time.Now()); err != nil {
		t.Errorf("a connection with a request on it: %v, want it open", err)
	}
}

func TestViewersOfAnAddressShareTheWork(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/", "Connected")
	for range 5 {
		s.stream("/live/resources?page=q%3Dcart", nil)
	}
	s.stream("/live/resources?page=q%3Dother", nil)
	for deadline := time.Now().Add(30 * time.Second); ; {
		s.server.hub.mu.Lock()
		feeds, viewers := len(s.server.hub.feeds), s.server.hub.viewers
		s.server.hub.mu.Unlock()
		if feeds == 2 && viewers == 6 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d renderings for %d viewers of 2 addresses", feeds, viewers)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhatObjectsSayIsNoEvent(t *testing.T) {
	s := newSite(t, Config{})
	s.eventually("/", "Connected")
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "a\r\revent: gone\rdata: x\r\rb"})
	s.eventually("/resources", "data: x")
	_, next, _ := s.stream("/live/resources?page=&have=0", nil)
	for _, want := range []string{"notice", "table", regionMenu, regionFleet} {
		if e := next(); e.name != want {
			t.Fatalf("the page was sent %q, want %q", e.name, want)
		}
	}
	s.set(cart, view.Row{Place: view.PlaceLive, Detail: "harmless"})
	if e := next(); e.name != "table" || !strings.Contains(e.data, "harmless") {
		t.Fatalf("an object made the event %q of its own:\n%s", e.name, e.data)
	}
}
