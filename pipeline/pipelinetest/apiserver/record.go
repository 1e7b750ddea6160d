package apiserver

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// Writes returns every write that the server answered with success so far, those
// of earlier lives too. What a test wants of one phase only, it slices off:
// Writes()[n:], where n was the number before.
func (s *Server) Writes() Writes {
	s.t.Helper()
	return s.read().which(func(w Write) bool { return w.Code < http.StatusMultipleChoices })
}

// Deletes returns the writes that took objects away.
func (s *Server) Deletes() Writes {
	s.t.Helper()
	return s.Writes().Deletes()
}

// Refused returns every write that the server answered with an error.
func (s *Server) Refused() Writes {
	s.t.Helper()
	return s.read().which(func(w Write) bool { return w.Code >= http.StatusMultipleChoices })
}

// recording is what was read of the audit log.
type recording struct {
	offset int64
	events []event
	seen   map[string]bool // the ids of marks

	restorations []restoration
}

// event is one line of the audit log (audit.k8s.io/v1).
type event struct {
	AuditID    string
	Verb       string
	RequestURI string
	UserAgent  string
	User       struct{ Username string }
	ObjectRef  struct {
		APIGroup, Resource, Subresource, Namespace, Name string
	}
	ResponseStatus           struct{ Code int }
	RequestObject            json.RawMessage
	ResponseObject           json.RawMessage
	RequestReceivedTimestamp time.Time

	stored struct { // of ResponseObject
		Kind     string
		Metadata struct {
			Name            string
			ResourceVersion json.Number
		}
	}
}

// read reads what the server wrote down. A server that runs is asked to write
// down one more request first, so that nothing it answered before is missing.
func (s *Server) read() Writes {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recorded.seen == nil {
		s.recorded.seen = map[string]bool{}
	}
	mark := ""
	if s.api.Running() && !s.paused {
		mark = s.mark()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s.readMore()
		if mark == "" || s.recorded.seen[mark] {
			return s.recorded.writes()
		}
		if ctx.Err() != nil {
			s.t.Fatalf("reading what API server %q wrote down: the last request is not there", s.config.Name)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// mark asks the server who asks, under an id of its own.
func (s *Server) mark() string {
	s.t.Helper()
	id := newToken()
	answer := s.Do(Request{
		Method: http.MethodPost, Path: "/apis/authentication.k8s.io/v1/selfsubjectreviews", auditID: id,
		Body: []byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`),
	})
	if answer.Code != http.StatusCreated {
		s.t.Fatalf("reading what API server %q wrote down: %d %s", s.config.Name, answer.Code, answer.Body)
	}
	return id
}

// readMore reads the lines that came since.
func (s *Server) readMore() {
	s.t.Helper()
	file, err := os.Open(s.path("audit.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(s.recorded.offset, io.SeekStart); err != nil {
		s.t.Fatal(err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return
		}
		data = rest
		s.recorded.offset += int64(len(line)) + 1
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			s.t.Fatalf("reading what API server %q wrote down: %v: %s", s.config.Name, err, line)
		}
		s.recorded.seen[e.AuditID] = true
		if e.changes() {
			_ = json.Unmarshal(e.ResponseObject, &e.stored) // a Status has none of it
			s.recorded.events = append(s.recorded.events, e)
		}
	}
}

// changes says whether the request is about what is stored.
func (e event) changes() bool {
	switch e.ObjectRef.Resource {
	case "", "selfsubjectreviews", "tokenreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "localsubjectaccessreviews", "subjectaccessreviews":
		return false
	}
	uri, err := url.Parse(e.RequestURI)
	return err == nil && !uri.Query().Has("dryRun")
}

// history turns events into writes that know what was stored before them.
func history(events []event) Writes {
	type version struct {
		at     int64 // resource version
		object json.RawMessage
	}
	stored := map[string][]version{} // by object, in the order of versions
	key := func(e event) string {
		return strings.Join([]string{e.ObjectRef.APIGroup, e.ObjectRef.Resource, e.ObjectRef.Namespace, e.name()}, "/")
	}
	for _, e := range events {
		if e.stores() {
			stored[key(e)] = append(stored[key(e)], version{at: e.version(), object: e.ResponseObject})
		}
	}
	for _, versions := range stored {
		// Two requests at once may be written down in the other order.
		slices.SortStableFunc(versions, func(a, b version) int { return cmp.Compare(a.at, b.at) })
	}
	writes := make(Writes, len(events))
	last := map[string]json.RawMessage{} // for deletes, whose answer has no version
	seen := map[int64]bool{}             // versions; a write that changes nothing makes no new one
	for i, e := range events {
		w := Write{
			At: e.RequestReceivedTimestamp, User: e.User.Username, Manager: e.manager(), Verb: e.Verb,
			Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
			Namespace: e.ObjectRef.Namespace, Name: e.name(), Code: e.ResponseStatus.Code, Sent: e.RequestObject,
		}
		switch {
		case e.stores():
			w.After = e.ResponseObject
			last[key(e)] = w.After
			versions := stored[key(e)]
			at, _ := slices.BinarySearchFunc(versions, e.version(), func(v version, at int64) int { return cmp.Compare(v.at, at) })
			switch {
			case w.Code == http.StatusCreated:
			case seen[e.version()]:
				w.Before = w.After
			case at > 0:
				w.Before = versions[at-1].object
			}
			seen[e.version()] = true
		case w.Deletes() && w.Code < http.StatusMultipleChoices:
			w.Before = last[key(e)]
		}
		writes[i] = w
	}
	return writes
}

// stores says whether the answer is what is stored now.
func (e event) stores() bool {
	return e.ResponseStatus.Code < http.StatusMultipleChoices && !strings.HasPrefix(e.Verb, "delete") &&
		(e.ObjectRef.Subresource == "" || e.ObjectRef.Subresource == "status") && e.version() > 0
}

func (e event) version() int64 {
	at, err := e.stored.Metadata.ResourceVersion.Int64()
	if err != nil {
		return 0
	}
	return at
}

// name is that of the object; one whose name the server made has it only in the answer.
func (e event) name() string { return cmp.Or(e.ObjectRef.Name, e.stored.Metadata.Name) }

func (e event) manager() string {
	if uri, err := url.Parse(e.RequestURI); err == nil && uri.Query().Has("fieldManager") {
		return uri.Query().Get("fieldManager")
	}
	agent, _, _ := strings.Cut(e.UserAgent, "/")
	return agent
}
