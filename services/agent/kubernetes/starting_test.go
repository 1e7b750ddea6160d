package kubernetes

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

// front stands before an API server and answers some requests itself, as one does that starts.
type front struct {
	*httptest.Server

	mu sync.Mutex // guards what follows
	// answers returns the code of what is answered here, by path; 0 for the others.
	answers func(path string) int
	// answered counts what was.
	answered map[string]int
}

func newFront(t *testing.T, server *apiserver.Server) *front {
	t.Helper()
	behind, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[int]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusInternalServerError: metav1.StatusReasonInternalError,
		http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests,
	}
	f := &front{answered: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.Transport = server.Client(apiserver.Admin).Transport
	proxy.FlushInterval = -1
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		code := 0
		if f.answers != nil {
			code = f.answers(r.URL.Path)
		}
		if code != 0 {
			f.answered[r.URL.Path]++
		}
		f.mu.Unlock()
		switch code {
		case 0:
			proxy.ServeHTTP(w, r)
		case http.StatusOK: // which can only be a question for groups: there are none
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Code: int32(code), Reason: reasons[code], Message: "not yet",
			})
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) set(answers func(path string) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = answers
	clear(f.answered)
}

func (f *front) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answered[path]
}

// through has a replica reach the API server by the front.
func (f *front) through(c *Config) {
	c.API.Host, c.API.TLSClientConfig = f.URL, rest.TLSClientConfig{Insecure: true}
	c.Lease = 5 * time.Minute
}

func TestAServerThatStartsIsNotBelieved(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Apply(everything + "---\n" + service("cart", "one") + "---\n" + byHand("{hosts: [a.example.com]}"))
	f := newFront(t, server)

	t.Run("that it serves no kinds yet", func(t *testing.T) {
		f.set(func(path string) int {
			switch path {
			case "/readyz":
				return http.StatusInternalServerError
			case "/apis":
				return http.StatusOK
			default:
				return 0
			}
		})
		r := open(t, server, f.through).start()
		r.eventually("it to be asked a few times", func() bool { return f.count("/readyz") > 4 })
		r.mu.Lock()
		if r.synced {
			t.Error("a snapshot is complete without the kinds that the server does not know yet")
		}
		r.mu.Unlock()
		f.set(nil)
		if r.sync().get(webKey) == "" {
			t.Error("the first complete delivery lacks a VirtualService")
		}
		r.stop()
	})

	t.Run("that nothing may be read", func(t *testing.T) {
		const services = "/api/v1/services"
		r := open(t, server, f.through).start().sync()
		f.set(func(path string) int {
			if strings.Contains(path, "/leases/") {
				return 0
			}
			return http.StatusForbidden
		})
		f.CloseClientConnections()
		r.eventually("it to be asked a few times", func() bool { return f.count(services) > 3 })
		r.mu.Lock()
		if len(r.unread) > 0 || r.holds[mustKey(t, "Service/shop/cart")] == "" {
			t.Errorf("got %v as kinds that may not be read", r.unread)
		}
		r.mu.Unlock()
		server.Apply(service("cart", "two"))
		f.set(nil)
		r.has("Service/shop/cart", "two")
		r.stop()
	})

	for _, code := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} {
		t.Run(fmt.Sprintf("one kind cannot be read, which holds up no other: %d", code), func(t *testing.T) {
			f.set(func(path string) int {
				if path == "/api/v1/services" {
					return code
				}
				return 0
			})
			r := open(t, server, f.through).start().sync()
			r.has("UnreadKind.internal.meshweir.io//service", "cannot read it")
			r.has(webKey, "a.example.com")
			f.set(nil)
			r.has("Service/shop/cart", "two")
			r.lacks("UnreadKind.internal.meshweir.io//service")
			r.stop()
		})
	}
}
