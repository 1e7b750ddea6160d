package web

import (
	"encoding/json"
	"net/http"

	"sigs.k8s.io/yaml"
)

// twin answers with what a page shows, as JSON; with what one object is, as YAML, for ?format=yaml.
func (s *Server) twin(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := newAddress(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		f, _ := s.mirror.fleet()
		data, _, err := p.data(r.Context(), f, a)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		object, isObject := data.(*resourcePage)
		if !isObject || a.query.Get("format") != "yaml" {
			w.Header().Set("Content-Type", "application/json")
			writeJSON(w, http.StatusOK, data)
			return
		}
		text, err := yaml.JSONToYAML(object.Body)
		if err != nil || object.Body == nil {
			s.fail(w, r, errNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
		w.Write(text) //nolint:errcheck // nobody is left to tell
	}
}

func writeJSON(w http.ResponseWriter, status int, data any) {
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(data) //nolint:errcheck // nobody is left to tell
}
