package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/meshweir/meshweir/services/agent/cluster"
)

// reach knows whether the API server can be reached. Whoever got no answer suspects that it cannot. It is then asked whether
// it is ready, about once a second and until it is; nobody else asks anything of it meanwhile.
type reach struct {
	log       *slog.Logger
	ask       func(context.Context) error
	suspicion chan struct{}

	mu sync.Mutex // guards what follows
	// outage is nil while the API server can be reached, as far as is known.
	outage *outage
	since  time.Time
	// turn is closed, and another one made, when outage changes.
	turn chan struct{}
	// silent says that the API server never tells us whether it is ready.
	silent bool
}

// outage is why the API server is of no use now.
type outage struct {
	what string
	err  error
	mend string
}

// Error says what is wrong, and how to mend it.
func (o *outage) Error() string { return fmt.Sprintf("%s: %v: %s", o.what, o.err, o.mend) }

// Unwrap returns the cause.
func (o *outage) Unwrap() error { return o.err }

// errSilent says that we may not ask whether the API server is ready. One that starts denies everything
// until it has read the roles, so that this alone means nothing.
var errSilent = errors.New("the agent may not ask whether it is ready: grant get on the URL /readyz")

// longest is how long a wait for the end of an outage is at most, and how long a server may be silent about its readiness before
// it is taken for one that always is.
const longest = 30 * time.Second

func newReach(log *slog.Logger, ask func(context.Context) error) *reach {
	return &reach{log: log, ask: ask, suspicion: make(chan struct{}, 1), turn: make(chan struct{})}
}

// run asks the API server whether it is ready whenever that is in doubt, until ctx ends.
func (r *reach) run(ctx context.Context) {
	const most = time.Second
	for {
		select {
		case <-r.suspicion:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		for attempt := 0; !r.settle(ctx, time.Since(began)); attempt++ {
			select {
			case <-time.After(min(cluster.Backoff(attempt+1), most)):
			case <-ctx.Done():
				return
			}
		}
	}
}

// settle asks once, and reports whether nothing is in doubt any more.
func (r *reach) settle(ctx context.Context, doubtful time.Duration) bool {
	err := r.ask(ctx)
	if ctx.Err() != nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, errSilent) {
		if r.silent = r.silent || doubtful > longest; !r.silent {
			return false // it neither begins an outage nor ends one
		}
		err = nil
	} else {
		r.silent = false
	}
	var now *outage
	errors.As(err, &now)
	r.set(ctx, now)
	return now == nil
}

func (r *reach) set(ctx context.Context, now *outage) {
	switch {
	case now == nil && r.outage == nil, now != nil && r.outage != nil && now.what == r.outage.what:
		return
	case now == nil:
		r.log.InfoContext(ctx, "API server is back", "away", time.Since(r.since).Round(time.Millisecond).String())
	default:
		r.log.WarnContext(ctx, "API server is away, what is known of the cluster stays in force", "error", now)
	}
	if r.outage == nil || now == nil {
		r.since = time.Now()
	}
	r.outage = now
	close(r.turn)
	r.turn = make(chan struct{})
}

// state returns why the API server cannot be reached and since when, or nil, and what is closed once that changes.
func (r *reach) state() (why *outage, since time.Time, turn <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outage, r.since, r.turn
}

// believes reports whether what the API server says is to be believed: it is ready.
func (r *reach) believes(ctx context.Context) bool {
	err := r.ask(ctx)
	if err != nil {
		r.suspect()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return err == nil || errors.Is(err, errSilent) && r.silent
}

// suspect has the API server asked whether it is ready.
func (r *reach) suspect() {
	select {
	case r.suspicion <- struct{}{}:
	default:
	}
}

// pause waits after a failure: for a while, and for as long as the API server is
// away; not beyond its return. It reports whether ctx still lives.
func (r *reach) pause(ctx context.Context, d time.Duration) bool {
	r.suspect()
	short, long := time.NewTimer(d), time.NewTimer(max(d, longest))
	defer short.Stop()
	defer long.Stop()
	for {
		why, _, turn := r.state()
		due := short.C
		if why != nil {
			due = long.C
		}
		select {
		case <-due:
			return true
		case <-turn:
			if now, _, _ := r.state(); now == nil {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

// askReady returns an [outage] while the API server cannot be reached or does not say that it is ready, and errSilent when it does not let us ask.
func askReady(ctx context.Context, plain rest.Interface, host string) error {
	var code int
	body, err := withTimeout(ctx, func(ctx context.Context) ([]byte, error) {
		return plain.Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).StatusCode(&code).Raw()
	})
	if cause := (*url.Error)(nil); errors.As(err, &cause) {
		err = cause.Err
	}
	var failing []string // its answer has a line for each check
	for line := range strings.Lines(string(body)) {
		if name, isFailing := strings.CutPrefix(line, "[-]"); isFailing {
			failing = append(failing, strings.Fields(name)[0])
		}
	}
	if len(failing) > 0 {
		err = fmt.Errorf("it waits for %s", strings.Join(failing, ", "))
	}
	server := "the API server " + host
	switch {
	case code == http.StatusForbidden:
		return errSilent
	case code == http.StatusUnauthorized:
		return &outage{server + " does not know the agent", err, "renew the token or the kubeconfig that the agent has"}
	case code >= http.StatusInternalServerError:
		return &outage{server + " is not ready", err, "see its log"}
	case code != 0:
		return nil
	default:
		return &outage{server + " cannot be reached", err, "see that it runs, and that the address and the certificate in the agent's kubeconfig are right"}
	}
}
