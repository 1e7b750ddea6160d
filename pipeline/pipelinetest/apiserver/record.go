package apiserver

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
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

// Write is one request that changed what the server stores, or tried to.
type Write struct {
	// At is when the request came.
	At time.Time
	// User asked for it.
	User string
	// Manager is the field manager that wrote: what the request said, or else the
	// beginning of its user agent.
	Manager string
	// Verb is create, update, patch, delete or deletecollection.
	Verb string
	// Group and Resource are "" and "services", "apps" and "deployments". Subresource
	// is "status", or mostly nothing.
	Group, Resource, Subresource string
	// Namespace and Name are those of the object.
	Namespace, Name string
	// Code is the HTTP status of the answer.
	Code int
	// Sent is the body of the request.
	Sent json.RawMessage
	// Before and After are what was stored: Before is nil when the object was
	// created, and After when it was deleted. Of a Secret both are nil.
	Before, After json.RawMessage
}

// String names the write in one line.
func (w Write) String() string {
	object := strings.Trim(w.Namespace+"/"+w.Name, "/")
	kind := strings.Trim(w.Resource+"."+w.Group, ".")
	if w.Subresource != "" {
		kind += "/" + w.Subresource
	}
	return fmt.Sprintf("%s %s %s by %s (%s): %d", w.Verb, kind, object, w.User, w.Manager, w.Code)
}

// Deletes says whether the write takes objects away.
func (w Write) Deletes() bool { return strings.HasPrefix(w.Verb, "delete") && w.Subresource == "" }

// Lost returns the paths of what the object had before the write and has not
// after it: members, and elements of lists. Metadata and status do not count. What
// has another value is not lost.
func (w Write) Lost() []string {
	if w.Before == nil || w.After == nil {
		return nil
	}
	before, after := content(w.Before), content(w.After)
	return lost("", before, after)
}

// content is what an object says, without what is said about it.
func content(object json.RawMessage) any {
	var m map[string]any
	if json.Unmarshal(object, &m) != nil {
		return nil
	}
	delete(m, "metadata")
	delete(m, "status")
	return m
}

// lost compares two values of JSON. An element of a list is there still when
// another list has one that lost nothing of it.
func lost(path string, before, after any) []string {
	switch before := before.(type) {
	case map[string]any:
		members, ok := after.(map[string]any)
		if !ok {
			return []string{path}
		}
		var paths []string
		for name, value := range before {
			at := strings.TrimPrefix(path+"."+name, ".")
			if now, there := members[name]; there {
				paths = append(paths, lost(at, value, now)...)
			} else {
				paths = append(paths, at)
			}
		}
		slices.Sort(paths)
		return paths
	case []any:
		elements, ok := after.([]any)
		if !ok {
			return []string{path}
		}
		var paths []string
		elements = slices.Clone(elements)
		for i, value := range before {
			at := slices.IndexFunc(elements, func(now any) bool { return holds(now, value) })
			if at < 0 {
				paths = append(paths, fmt.Sprintf("%s[%d]", path, i))
				continue
			}
			elements = slices.Delete(elements, at, at+1)
		}
		return paths
	default:
		return nil
	}
}

// holds says whether a list's element now stands for one before.
func holds(now, before any) bool {
	switch before.(type) {
	case map[string]any, []any:
		return len(lost("", before, now)) == 0
	default:
		return now == before
	}
}

// Writes is what the server wrote down, in the order of its answers.
type Writes []Write

// By returns the writes of a user.
func (ws Writes) By(user string) Writes {
	return ws.which(func(w Write) bool { return w.User == user })
}

// ManagedBy returns the writes of a field manager.
func (ws Writes) ManagedBy(manager string) Writes {
	return ws.which(func(w Write) bool { return w.Manager == manager })
}

// Of returns the writes of a resource, such as "networking.istio.io" and
// "virtualservices".
func (ws Writes) Of(group, resource string) Writes {
	return ws.which(func(w Write) bool { return w.Group == group && w.Resource == resource })
}

// Deletes returns those that took objects away.
func (ws Writes) Deletes() Writes { return ws.which(Write.Deletes) }

// Shrinks returns those that left an object with less than it had: see [Write.Lost].
func (ws Writes) Shrinks() Writes {
	return ws.which(func(w Write) bool { return len(w.Lost()) > 0 })
}

func (ws Writes) which(holds func(Write) bool) Writes {
	var found Writes
	for _, w := range ws {
		if holds(w) {
			found = append(found, w)
		}
	}
	return found
}

// String has a line for each write.
func (ws Writes) String() string {
	lines := make([]string, len(ws))
	for i, w := range ws {
		lines[i] = w.String()
		if paths := w.Lost(); paths != nil {
			lines[i] += ", lost " + strings.Join(paths, ", ")
		}
	}
	return strings.Join(lines, "\n")
}

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
			return history(s.recorded.events)
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
