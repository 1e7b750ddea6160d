package work_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/telemetry"
	"github.com/meshweir/meshweir/pipeline/work"
)

// scraped returns what Prometheus would read of tel.
func scraped(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.NewHealth(slog.New(slog.DiscardHandler), tel.Registry()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func metered(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Service: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return tel
}

func TestLagCountsTheRevisionsThatNoSuccessfulPassHasSeen(t *testing.T) {
	b, tel := newBench(t), metered(t)
	var failing atomic.Bool
	b.run(func(context.Context, bool) error {
		if failing.Load() {
			return errors.New("OOM")
		}
		return nil
	}, work.Config{Meter: tel.Meter()})
	const lag = `meshweir_work_lag{group="tester",keyspace="snapshot/east",service="tester"} `
	b.eventually("no lag", func() bool { return strings.Contains(scraped(t, tel), lag+"0\n") })
	failing.Store(true)
	for range 3 {
		b.change()
	}
	b.eventually("a lag of three revisions", func() bool { return strings.Contains(scraped(t, tel), lag+"3\n") })
	failing.Store(false)
	b.eventually("no lag again", func() bool { return strings.Contains(scraped(t, tel), lag+"0\n") })
}

func TestPendingEventsHaveAnAge(t *testing.T) {
	b, tel := newBench(t), metered(t)
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	b.run(func(context.Context, bool) error {
		entered <- struct{}{}
		<-leave
		return nil
	}, work.Config{Meter: tel.Meter()})
	<-entered
	b.change()
	const of = `{group="tester",keyspace="snapshot/east",service="tester"} `
	b.eventually("what is pending, and its age", func() bool {
		got := scraped(t, tel)
		return strings.Contains(got, "meshweir_work_pending"+of) && !strings.Contains(got, "meshweir_work_pending"+of+"0\n") &&
			strings.Contains(got, "meshweir_work_age_seconds"+of) && !strings.Contains(got, "meshweir_work_age_seconds"+of+"0\n")
	})
	close(leave)
	b.eventually("nothing pending", func() bool {
		got := scraped(t, tel)
		return strings.Contains(got, "meshweir_work_pending"+of+"0\n") && strings.Contains(got, "meshweir_work_age_seconds"+of+"0\n")
	})
}

func TestDeadLettersAreCountedByClassFromTheBeginning(t *testing.T) {
	b, tel := newBench(t), metered(t)
	b.run(func(context.Context, bool) error { return nil }, work.Config{Meter: tel.Meter()})
	dead := func(class, n string) bool {
		return strings.Contains(scraped(t, tel), `meshweir_dead_letters_total{class="`+class+`",group="tester",service="tester"} `+n+"\n")
	}
	b.eventually("counters that stand at 0", func() bool {
		return dead("undecodable", "0") && dead("permanent", "0") && dead("panic", "0") && dead("exhausted", "0")
	})
	events := keyspace.Name("snapshot/east").EventsKey()
	for _, values := range [][]any{{"x", "y"}, {"_watermill_message_uuid", "1", "metadata", "\x80", "payload", "{}"}} {
		if err := b.client.XAdd(t.Context(), &redis.XAddArgs{Stream: events, Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually("the entry that is no message, and the one that is no event", func() bool { return dead("undecodable", "1") && dead("permanent", "1") })
}
