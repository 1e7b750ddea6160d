package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
	"github.com/meshweir/meshweir/pipeline/survey"
)

// fullWatch has something of everything that the page of the pipeline can show.
func fullWatch() *watch {
	at := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	w := newWatch(&redisconn.Conn{})
	look := survey.Survey{
		At: at, Servers: []redisconn.Server{{Version: "7.4", Mode: "embedded", Findings: []redisconn.Finding{{Severity: "error", What: "<b>no", Why: "why", Mend: "mend"}}}},
		Keyspaces: []survey.Keyspace{{
			Name: "snapshot/east", Exists: true, Epoch: "1-a", Revision: 7, Inputs: []survey.Input{{Name: "a/b", Behind: 2}, {Name: "a/c", Lost: true}}, Trouble: []string{"<x>"},
			Stream: survey.Stream{Length: 3, Groups: []survey.Group{{Name: "ui", Lag: 2, Pending: 1, PendingAt: at, Consumers: []survey.Consumer{{Name: "one"}}}, {Name: "lost", Lag: -1}}},
		}},
		DeadLetters: []survey.DeadLetters{{Group: "ui", Count: 1, ByClass: map[stream.Class]int{stream.ClassUndecodable: 1}}},
	}
	letters := map[string][]stream.DeadLetter{"ui": {{ID: "1-0", At: at, Class: stream.ClassUndecodable, Error: "<b>no", Stream: "s", Attempts: 2, TraceParent: "00", Raw: map[string][]byte{"<x>": []byte("\xff")}}}}
	w.take(look, letters, nil)
	look.At = at.Add(5 * time.Second)
	w.take(look, letters, nil)
	w.take(look, letters, nil)
	return w
}

func TestRateCountsRevisions(t *testing.T) {
	at := time.Now()
	before := survey.Survey{At: at, Keyspaces: []survey.Keyspace{{Name: "a/a", Epoch: "1", Revision: 10}, {Name: "a/b", Epoch: "1", Revision: 5}, {Name: "a/d", Epoch: "1", Revision: 9}}}
	now := survey.Survey{At: at.Add(2 * time.Second), Keyspaces: []survey.Keyspace{{Name: "a/a", Epoch: "1", Revision: 14}, {Name: "a/b", Epoch: "2", Revision: 3}, {Name: "a/c", Epoch: "1", Revision: 1}, {Name: "a/d", Epoch: "1", Revision: 9}}}
	if got := rateOf(before, now).Second; got != 4 {
		t.Errorf("%v writes each second, want (4 + 3 + 1) / 2 = 4", got)
	}
}

// newPipelineSite runs a server that can look at its Redis, in which the group "ui" gave up on one entry.
func newPipelineSite(t *testing.T) (*site, *redisconn.Conn, string) {
	t.Helper()
	server := pipelinetest.Embedded(t)
	conn := &redisconn.Conn{Client: server, Blocking: server}
	id, err := server.XAdd(t.Context(), &redis.XAddArgs{Stream: keyspace.DeadLettersKey("ui"), Values: []any{"garbage", "<x>"}}).Result()
	if err != nil {
		t.Fatal(err)
	}
	s := newSiteOn(t, server, Config{Pipeline: conn})
	events := keyspace.Name("snapshot/east").EventsKey()
	if err := server.XGroupCreateMkStream(t.Context(), events, "ui", "0").Err(); err != nil {
		t.Fatal(err)
	}
	s.server.watch.look(t.Context())
	return s, conn, id
}

func TestADeadLetterIsShownAndDropped(t *testing.T) {
	s, conn, id := newPipelineSite(t)
	if _, body := s.request(http.MethodGet, "/pipeline", nil); !strings.Contains(body, "/pipeline/dead-letters/ui/"+id) {
		t.Fatalf("the page does not show the dead letter %s:\n%s", id, body)
	}
	path := "/pipeline/dead-letters/ui/" + id
	if response, body := s.request(http.MethodGet, path, nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "&lt;x&gt;") {
		t.Fatalf("the dead letter's page is %d and does not show its content", response.StatusCode)
	}
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if response, _ := s.request(http.MethodPost, path+"/drop", foreign); response.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form is answered with %d, want 403", response.StatusCode)
	}
	if response, _ := s.request(http.MethodGet, path+"/drop", nil); response.StatusCode == http.StatusSeeOther {
		t.Error("following a link drops a dead letter")
	}
	count := func() int64 { return conn.Client.XLen(t.Context(), keyspace.DeadLettersKey("ui")).Val() }
	if count() != 1 {
		t.Fatal("the dead letter is gone before anybody dropped it")
	}
	response, _ := s.request(http.MethodPost, path+"/drop", nil)
	if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/pipeline?done=dropped" || count() != 0 {
		t.Errorf("dropping is answered with %d to %q, and leaves %d", response.StatusCode, response.Header.Get("Location"), count())
	}
	if response, _ := s.request(http.MethodPost, path+"/drop", nil); response.StatusCode != http.StatusGone {
		t.Errorf("dropping again is answered with %d, want 410", response.StatusCode)
	}
	if _, body := s.request(http.MethodGet, "/pipeline?done=dropped", nil); !strings.Contains(body, "was dropped") || strings.Contains(body, path) {
		t.Error("the page does not say what became of the dead letter, or still lists it")
	}
}
