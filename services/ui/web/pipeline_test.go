package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
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
	w.tried = time.Now() // nobody looks again
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

// regionsOf renders the regions of a page.
func regionsOf(t *testing.T, p *page, data any) string {
	t.Helper()
	r, _ := testRenderer(t)
	regions, err := r.regions(p, &Fleet{}, data)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, made := range regions {
		all.WriteString(string(made.html))
	}
	return all.String()
}

func TestAKeyspaceWithoutAGroupIsNotSaidToBeReadByNobody(t *testing.T) {
	p := &pipelinePage{Known: true, Query: pipelineQuery{Page: 1}, Survey: survey.Survey{Keyspaces: []survey.Keyspace{
		{Name: "insight/west", Kind: "insight"},
		{Name: "view/clusters", Kind: "view"},
		{Name: "other/a", Kind: "other"},
		{Name: "snapshot/west", Kind: "snapshot", Stream: survey.Stream{Groups: []survey.Group{{Name: "ui"}}}},
	}}}
	p.fillKeyspaces()
	text := regionsOf(t, (&Server{}).pipeline(), p)
	for says, times := range map[string]int{
		"nobody reads": 0, "no group": 3, "dashboards follow it as state": 2, "the command line reads it": 1, "read as state, if at all": 1,
	} {
		if got := strings.Count(text, says); got != times {
			t.Errorf("it says %q %d times, want %d:\n%s", says, got, times, text)
		}
	}
}

func TestThePipelineDoesNotSayZeroWhereItDoesNotKnow(t *testing.T) {
	shown := func(w *watch) string {
		p := &pipelinePage{Query: pipelineQuery{Page: 1}}
		w.fill(p)
		return regionsOf(t, (&Server{}).pipeline(), p)
	}
	never := newWatch(&redisconn.Conn{})
	for _, when := range []string{"nobody looked", "Redis did not answer"} {
		text := shown(never)
		for _, wrong := range []string{"No dead letters", "nothing waits", `number">0`} {
			if strings.Contains(text, wrong) {
				t.Errorf("%s, and the page says %q", when, wrong)
			}
		}
		never.take(survey.Survey{}, nil, errors.New("no connection"))
	}
	half := newWatch(&redisconn.Conn{})
	half.take(survey.Survey{
		At:          time.Now(),
		Keyspaces:   []survey.Keyspace{{Name: "a/b", Stream: survey.Stream{Groups: []survey.Group{{Name: "ui", Lag: -1}}}}},
		DeadLetters: []survey.DeadLetters{{Group: "ui", Trouble: "NOPERM"}},
	}, nil, nil)
	text := shown(half)
	for _, want := range []string{`at least </span>0</span><span class="stat-says">revisions`, `at least 0</td>`, "ui: NOPERM", "not all can be read"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "No dead letters") {
		t.Error("the page says that there are no dead letters, and could not read them")
	}
}

func TestDeadLettersOfEveryAgeAndClassCanBeReached(t *testing.T) {
	s, conn, oldest := newPipelineSite(t)
	key := keyspace.DeadLettersKey("ui")
	msg := message.NewMessage("1", nil)
	msg.Metadata = message.Metadata{stream.ClassKey: string(stream.ClassExhausted), stream.GroupKey: "ui"}
	exhausted, err := redisstream.DefaultMarshallerUnmarshaller{}.Marshal(key, msg)
	if err != nil {
		t.Fatal(err)
	}
	rare, err := conn.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: exhausted}).Result()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * shownLetters {
		if err := conn.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []any{"garbage", "x"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.server.watch.look(t.Context())
	_, body := s.get("/pipeline")
	for _, want := range []string{"/ui/" + rare, "the newest 100", "exhausted"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	pages := 1
	for ; !strings.Contains(body, "/ui/"+oldest) && pages < 10; pages++ {
		_, rest, more := strings.Cut(body, `<a href="/pipeline?before=`)
		address, _, _ := strings.Cut(rest, `"`)
		if !more {
			t.Fatalf("page %d of the dead letters leads nowhere:\n%s", pages, body)
		}
		_, body = s.get("/pipeline?before=" + strings.ReplaceAll(address, "&amp;", "&"))
	}
	if pages != 4 {
		t.Errorf("the oldest dead letter is on page %d, want 4", pages)
	}
	if status, _ := s.get("/pipeline/dead-letters/ui/" + oldest); status != http.StatusOK {
		t.Errorf("the oldest dead letter's page is answered with %d", status)
	}
	if status, _ := s.get("/pipeline/dead-letters/ui/1-1"); status != http.StatusNotFound {
		t.Errorf("the page of a dead letter that is not there is answered with %d", status)
	}
}

func TestThePipelineIsLookedAtForThoseWhoLook(t *testing.T) {
	server := pipelinetest.Embedded(t)
	s := newSiteOn(t, server, Config{Pipeline: &redisconn.Conn{Client: server, Blocking: server}})
	s.eventually("/", "Connected")
	tried := func() time.Time {
		s.server.watch.mu.Lock()
		defer s.server.watch.mu.Unlock()
		return s.server.watch.tried
	}
	if at := tried(); !at.IsZero() {
		t.Fatalf("somebody looked at %s, and nobody has the page open", at)
	}
	s.eventually("/pipeline", "snapshot/east")
	first := tried()
	if s.get("/pipeline"); first.IsZero() || !tried().Equal(first) {
		t.Errorf("two requests at once look at %s and %s", first, tried())
	}
}

func TestLooksComeOneAfterAnother(t *testing.T) {
	server := pipelinetest.Embedded(t)
	w := newWatch(&redisconn.Conn{Client: server, Blocking: server})
	tried := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !w.tried.IsZero()
	}
	w.looking.Lock() // somebody looks
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.look(t.Context())
	}()
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
	}
	if tried() {
		t.Error("two look at once")
	}
	w.looking.Unlock()
	<-done
	if !tried() {
		t.Error("who waited did not look")
	}
}

func TestKeyspacesAreFilteredPagedAndTheIllComeFirst(t *testing.T) {
	p := &pipelinePage{Query: pipelineQuery{Text: "Snapshot/", Page: 1}}
	for n := range 2*pageSize + 1 {
		p.Survey.Keyspaces = append(p.Survey.Keyspaces,
			survey.Keyspace{Name: keyspace.Name(fmt.Sprintf("snapshot/c%03d", n)), Exists: true, Complete: true}, survey.Keyspace{Name: keyspace.Name(fmt.Sprintf("output/c%03d", n))})
	}
	p.Survey.Keyspaces[2*pageSize].Trouble = []string{"no rights"}
	p.fillKeyspaces()
	if p.Total != 2*pageSize+1 || len(p.Keyspaces) != pageSize || p.Keyspaces[0].Name != "snapshot/c100" || p.Keyspaces[1].Name != "snapshot/c000" || p.Previous != "" {
		t.Errorf("the first page has %d of %d, %s first, %q before", len(p.Keyspaces), p.Total, p.Keyspaces[0].Name, p.Previous)
	}
	u, err := url.Parse(p.Next)
	if err != nil {
		t.Fatal(err)
	}
	if p.Query, err = parsePipelineQuery(u.Query()); err != nil || p.Query.Page != 2 {
		t.Fatalf("the next page is %q (%v)", p.Next, err)
	}
	p.Query.Page = 3
	p.fillKeyspaces()
	if len(p.Keyspaces) != 1 || p.Previous == "" {
		t.Errorf("the last page has %d", len(p.Keyspaces))
	}
	for _, beyond := range []int{4, math.MaxInt / pageSize, math.MaxInt/pageSize + 2, math.MaxInt} {
		p.Query.Page = beyond
		p.fillKeyspaces()
		if len(p.Keyspaces) != 0 {
			t.Errorf("page %d, beyond the last, has %d", beyond, len(p.Keyspaces))
		}
	}
	for _, bad := range []url.Values{{"page": {"0"}}, {"page": {"x"}}, {"before": {"x"}}, {"before": {"1-1"}, "group": {"*"}}} {
		if _, err := parsePipelineQuery(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
