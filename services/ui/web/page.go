package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/ui/view"
)

// page is one kind of page.
type page struct {
	// name is the folder and the template; its regions' templates are "name/region".
	name    string
	regions []string
	// section is the title of the entry in the side navigation that the page belongs to.
	section string
	// pattern is where the page is, as http.ServeMux has it, such as "/clusters/{cluster}".
	pattern string
	// data makes the page's struct, which templates render and the JSON twin shows.
	data func(ctx context.Context, f *Fleet, a address) (data any, title string, err error)
	// every is how often an open page is made again though the fleet did not change, where it shows what no view tells
	// of; zero for never.
	every time.Duration
}

// address says which page is asked for. It is all that a page's data depends on, beside the fleet.
type address struct {
	path  string
	query url.Values
	// ref is what the path names; its parts are empty where the path has none.
	ref view.Ref
	// insight is the key of the insight that the path names; empty for none.
	insight string
}

var errNotFound = errors.New("not found")

// badRequest is an error of whoever wrote the URL.
type badRequest struct{ error }

// none stands in a path for the namespace of an object that has none: "-" is no name of a namespace.
const none = "-"

// newAddress reads a request for a page.
func newAddress(r *http.Request) (address, error) {
	a := address{path: r.URL.EscapedPath(), query: r.URL.Query(), ref: view.Ref{Cluster: r.PathValue("cluster")}, insight: r.PathValue("insight")}
	if kind := r.PathValue("kind"); kind != "" {
		namespace := strings.TrimPrefix(r.PathValue("namespace"), none)
		key, err := resource.ParseKey(kind + "/" + namespace + "/" + r.PathValue("name"))
		if err != nil {
			return address{}, badRequest{err}
		}
		a.ref.Key = key.String()
	}
	return a, nil
}

// Href is the address of the page of an object.
func Href(ref view.Ref) string { return "/resources/" + refPath(ref) }

func refPath(ref view.Ref) string {
	kind, rest, _ := strings.Cut(ref.Key, "/")
	namespace, name, _ := strings.Cut(rest, "/")
	return url.PathEscape(ref.Cluster) + "/" + url.PathEscape(kind) + "/" +
		url.PathEscape(cmp.Or(namespace, none)) + "/" + url.PathEscape(name)
}

// show answers with the page.
func (s *Server) show(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := newAddress(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		f, _ := s.mirror.fleet()
		data, title, err := p.data(r.Context(), f, a)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		regions, err := s.renderer.regions(p, f, data)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		around := frame{Title: title, Page: p.name, Data: data}
		around.put(regions)
		query := a.query.Encode()
		if query != "" {
			around.API = "/api" + a.path + "?" + query
		} else {
			around.API = "/api" + a.path
		}
		live := url.Values{"page": {query}, "have": {stateOf(regions)}}
		around.Live = "/live" + a.path + "?" + live.Encode()
		body, err := s.renderer.document(around)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeHTML(w, http.StatusOK, body)
	}
}

func writeHTML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // nobody is left to tell
}
