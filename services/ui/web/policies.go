package web

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/policy"
	"github.com/meshweir/meshweir/services/ui/view"
)

// shownTo is how much of what one policy is for a page says.
const shownTo = 20

// policiesPage lists the policies with what they are for, and the routes to look at.
type policiesPage struct {
	Notice
	Filter   policyFilter        `json:"filter"`
	Policies []policy.Attachment `json:"policies"`
	Routes   []policyRoute       `json:"routes"`
	// Total counts the policies that match, and TotalRoutes the routes; a page shows the first of them.
	Total       int `json:"total"`
	TotalRoutes int `json:"totalRoutes"`
	// Idle counts the policies that are for nothing.
	Idle     int      `json:"idle"`
	Clusters []string `json:"-"`
}

// policyFilter says which policies and routes are listed.
type policyFilter struct {
	Cluster string `json:"cluster,omitempty"`
	Text    string `json:"q,omitempty"`
	// Idle leaves only policies that are for nothing.
	Idle bool `json:"idle,omitempty"`
}

// policyRoute is a route whose policies can be looked at.
type policyRoute struct {
	Ref   view.Ref `json:"object"`
	Kind  string   `json:"kind"`
	Name  string   `json:"name"`
	Hosts []string `json:"hosts,omitempty"`
}

// Href is the page of what applies to the route.
func (r policyRoute) Href() string { return "/policies/" + refPath(r.Ref) }

func policies() *page {
	return &page{
		name: "policies", section: "Policies", pattern: "/policies", regions: []string{"notice", "routes", "list"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			filter := policyFilter{Cluster: a.query.Get("cluster"), Text: strings.TrimSpace(a.query.Get("q")), Idle: a.query.Get("idle") == "1"}
			if len(filter.Text) > maxText {
				return nil, "", badRequest{fmt.Errorf("q is %d bytes long; it can be %d", len(filter.Text), maxText)}
			}
			p := &policiesPage{Notice: f.Notice, Filter: filter}
			p.Clusters = f.clusterNames()
			p.find(f.wiring())
			return p, "Policies", nil
		},
	}
}

func (p *policiesPage) find(ix *mesh.Index) {
	words := strings.Fields(strings.ToLower(p.Filter.Text))
	matches := func(cluster string, parts ...string) bool {
		text := strings.ToLower(strings.Join(append(parts, cluster), " "))
		return (p.Filter.Cluster == "" || p.Filter.Cluster == cluster) &&
			!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
	}
	for _, a := range policy.All(ix) {
		if !matches(a.Cluster, a.Kind, a.Namespace+"/"+a.Name, a.Action, a.Says, strings.Join(a.To, " ")) {
			continue
		}
		if a.Nothing != "" {
			p.Idle++
		} else if p.Filter.Idle {
			continue
		}
		p.Total++
		if len(p.Policies) < pageSize {
			a.To = a.To[:min(len(a.To), shownTo)]
			p.Policies = append(p.Policies, a)
		}
	}
	for o := range ix.Objects() {
		if o.Managed || !o.Route() || !matches(o.Ref.Cluster, o.Key.Kind, o.Key.Namespace+"/"+o.Key.Name, strings.Join(o.Wiring.Hosts, " ")) {
			continue
		}
		p.TotalRoutes++
		if len(p.Routes) < pageSize {
			p.Routes = append(p.Routes, policyRoute{o.Ref, o.Key.Kind, o.Key.Namespace + "/" + o.Key.Name, o.Wiring.Hosts})
		}
	}
}

// IdleURL is the address that shows only policies that are for nothing.
func (p *policiesPage) IdleURL() string {
	return withQuery("/policies", given(map[string]string{"idle": "1", "cluster": p.Filter.Cluster, "q": p.Filter.Text}))
}

// Filtered reports whether the filter leaves anything out.
func (p *policiesPage) Filtered() bool { return p.Filter != policyFilter{} }

// policyPage says what applies to one route.
type policyPage struct {
	Notice
	Ref    view.Ref     `json:"object"`
	Name   string       `json:"-"`
	Kind   string       `json:"-"`
	Hosts  []string     `json:"hosts,omitempty"`
	Health mesh.Health  `json:"health"`
	Says   string       `json:"says,omitempty"`
	Hops   []policy.Hop `json:"hops"`
}

func policyOfRoute() *page {
	return &page{
		name: "policy", section: "Policies", pattern: "/policies/{cluster}/{kind}/{namespace}/{name}", regions: []string{"notice", "head", "hops"},
		data: func(_ context.Context, f *Fleet, a address) (any, string, error) {
			ix := f.wiring()
			o := ix.Object(a.ref)
			if o == nil || !o.Route() {
				return nil, "", errNotFound
			}
			return &policyPage{
				Notice: f.Notice, Ref: o.Ref, Name: o.Key.Namespace + "/" + o.Key.Name, Kind: o.Key.Kind, Hosts: o.Wiring.Hosts,
				Health: o.Health, Says: o.Says, Hops: policy.Route(ix, o),
			}, "Policies of " + o.Key.Name, nil
		},
	}
}
