package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/services/ui/view"
)

// resourcePage is one object.
type resourcePage struct {
	Notice
	Ref     view.Ref       `json:"object"`
	Item    *Item          `json:"-"`
	Row     view.Row       `json:"row"`
	Found   []view.Problem `json:"problems,omitempty"`
	Cluster *Cluster       `json:"-"`
	// Insights are those in which the object takes part.
	Insights []*Insight `json:"insights,omitempty"`
	// History is what became of the object, the newest first.
	History []Past `json:"history,omitempty"`
	// Kept says that objects of the kind have a history at all.
	Kept bool `json:"historyKept"`
	// Sources and Outputs are the two sides of the lineage.
	Sources []Link `json:"sources,omitempty"`
	Outputs []Link `json:"outputs,omitempty"`
	// Body is the object, From the keyspace that it was read from and At the position at which it was written there.
	Body json.RawMessage `json:"body,omitempty"`
	From keyspace.Name   `json:"from,omitempty"`
	At   string          `json:"at,omitempty"`
	// Missing says why there is no body.
	Missing string `json:"missing,omitempty"`
	// Lines are the body as YAML.
	Lines []yamlLine `json:"-"`
}

// Link is an object at the other end of a lineage.
type Link struct {
	Ref view.Ref `json:"object"`
	// Item is nil for an object that no view has (any more).
	Item   *Item  `json:"-"`
	Status Status `json:"status,omitempty"`
	// Says is what is known of it in a few words.
	Says string `json:"says"`
}

func (s *Server) resource() *page {
	return &page{
		name: "resource", section: "Resources", pattern: "/resources/{cluster}/{kind}/{namespace}/{name}",
		regions: []string{"notice", "head", "insights", "lineage", "conditions", "facts", "body", "history"},
		data: func(ctx context.Context, f *Fleet, a address) (any, string, error) {
			it := f.item(a.ref)
			if it == nil {
				return nil, "", errNotFound
			}
			p := &resourcePage{
				Notice: f.Notice, Ref: it.Ref, Item: it, Row: it.Row, Found: it.Found, Cluster: f.cluster(it.Ref.Cluster), Insights: f.insightsOf(it.Ref), History: f.history(it.Ref), Kept: view.Remembered(it.Ref.Key),
				Sources: links(f, it.Sources), Outputs: links(f, it.Outputs),
			}
			if it.Place != view.PlaceGone {
				s.readBody(ctx, p)
			}
			return p, it.Title() + " (" + it.KindTitle() + ")", nil
		},
	}
}

func links(f *Fleet, refs []view.Ref) []Link {
	var all []Link
	for _, ref := range refs {
		l := Link{Ref: ref, Item: f.item(ref), Says: "not seen"}
		if it := l.Item; it != nil {
			l.Status = it.Status()
			switch {
			case len(it.Found) > 0:
				l.Says = it.Found[0].Title
			case it.Applied != nil:
				l.Says = string(it.Applied.Result)
			case len(it.Conditions) > 0:
				l.Says = "Accepted"
			default:
				l.Says = "In the cluster"
			}
		}
		all = append(all, l)
	}
	return all
}

// readBody reads the one body that the page shows. It comes from where the object
// is, and not from a view: views hold what tables show, and a copy of every body
// there would double the memory that the fleet takes in Redis.
func (s *Server) readBody(ctx context.Context, p *resourcePage) {
	kind := view.KindSnapshot
	if p.Item.Place == view.PlaceWanted {
		kind = view.KindOutput
	}
	p.From = view.SourceName(kind, p.Ref.Cluster)
	value, at, err := s.store.Get(ctx, p.From, p.Ref.Key)
	switch {
	case errors.Is(err, keyspace.ErrNotFound):
		p.Missing = "It is not in " + string(p.From) + " any more, or not again yet."
		return
	case err != nil:
		s.log.WarnContext(ctx, "body not read", "object", p.Ref, "error", err)
		p.Missing = "It could not be read from Redis just now."
		return
	}
	p.At = at.String()
	text, err := yaml.JSONToYAML(value)
	if err != nil {
		p.Missing = fmt.Sprintf("It is no JSON: %v.", err)
		return
	}
	p.Body, p.Lines = value, yamlLines(string(text))
}
