package web

import (
	"errors"
	"net/http"
	"strings"
)

// problemPage says why a page is not there and what to do.
type problemPage struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// fail answers with an error, as a page or, under /api, as JSON (RFC 9457).
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var bad badRequest
	p := problemPage{http.StatusInternalServerError, "Something went wrong here", "The log of the ui says what. Try again."}
	switch {
	case errors.As(err, &bad):
		p = problemPage{http.StatusBadRequest, "This address cannot be read", bad.Error() + "."}
	case errors.Is(err, errNotFound):
		p = problemPage{
			http.StatusNotFound, "There is nothing here",
			"No cluster holds it, or it was removed. Look for it among all resources.",
		}
	default:
		s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	}
	s.problem(w, r, p)
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, p problemPage) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "application/problem+json")
		writeJSON(w, p.Status, p)
		return
	}
	around := frame{Title: p.Title, Page: "problem", Data: p}
	f, _ := s.mirror.fleet()
	regions, err := s.renderer.shellRegions(f, "")
	around.put(regions)
	var body []byte
	if err == nil {
		body, err = s.renderer.document(around)
	}
	if err != nil {
		s.log.ErrorContext(r.Context(), "rendering an error page", "error", err)
		http.Error(w, p.Title, p.Status)
		return
	}
	writeHTML(w, p.Status, body)
}
