package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/pipeline/stream"
)

// letterPage is one dead letter, with what can be done to it.
type letterPage struct {
	Notice
	Group  string            `json:"group"`
	Letter stream.DeadLetter `json:"deadLetter"`
	// Text is its content as people read it, Fields its other fields.
	Text   string        `json:"-"`
	Fields []letterField `json:"-"`
}

type letterField struct{ Name, Value string }

var (
	letterID    = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)
	letterGroup = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,62}$`)
)

// Path is the address of the letter; what is done to it is posted below it.
func (p *letterPage) Path() string { return "/pipeline/dead-letters/" + p.Group + "/" + p.Letter.ID }

// letter is a page for somebody who decides: it does not change while it is open.
func (s *Server) letter() *page {
	return &page{
		name: "letter", section: "Pipeline", pattern: "/pipeline/dead-letters/{group}/{id}", regions: []string{"notice", "body"},
		data: func(ctx context.Context, f *Fleet, a address) (any, string, error) {
			parts := strings.Split(strings.TrimPrefix(a.path, "/api"), "/")
			group, id := parts[len(parts)-2], parts[len(parts)-1]
			l, err := s.readLetter(ctx, group, id)
			if err != nil {
				return nil, "", err
			}
			return newLetterPage(f, group, l), "Dead letter", nil
		},
	}
}

func newLetterPage(f *Fleet, group string, l stream.DeadLetter) *letterPage {
	p := &letterPage{Notice: f.Notice, Group: group, Letter: l}
	if l.Message != nil {
		p.Text = string(l.Message.Payload)
		for _, name := range slices.Sorted(maps.Keys(l.Message.Metadata)) {
			p.Fields = append(p.Fields, letterField{name, l.Message.Metadata[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Raw)) {
		p.Fields = append(p.Fields, letterField{name, strings.ToValidUTF8(string(l.Raw[name]), "�")})
	}
	return p
}

// canBeLetter reports whether a group and an id can be those of a dead letter.
func (s *Server) canBeLetter(group, id string) bool {
	return s.watch != nil && letterID.MatchString(id) && letterGroup.MatchString(group)
}

// actOnLetter replays or drops a dead letter and goes back to the pipeline. Other sites cannot post here: see routes.
func (s *Server) actOnLetter(done string, act func(*stream.DeadLetters, context.Context, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		group, id := r.PathValue("group"), r.PathValue("id")
		if !s.canBeLetter(group, id) {
			s.fail(w, r, errNotFound)
			return
		}
		dead, err := s.watch.dead(group)
		if err == nil {
			err = act(dead, r.Context(), id)
		}
		switch {
		case errors.Is(err, stream.ErrNoDeadLetter):
			s.problem(w, r, problemPage{http.StatusGone, "This dead letter is gone", "Somebody replayed or dropped it already."})
			return
		case err != nil:
			s.log.WarnContext(r.Context(), "dead letter not dealt with", "wanted", done, "group", group, "id", id, "error", err)
			s.problem(w, r, problemPage{http.StatusBadGateway, "Redis did not take it", fmt.Sprintf("%v. The dead letter is still there.", err)})
			return
		}
		s.log.InfoContext(r.Context(), "dead letter dealt with", "group", group, "id", id, "done", done)
		s.watch.look(r.Context())
		http.Redirect(w, r, "/pipeline?done="+done, http.StatusSeeOther)
	}
}
