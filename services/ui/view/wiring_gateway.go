package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/resource"
)

func readGateway(spec []byte) (*Wiring, error) {
	g, err := read[struct {
		GatewayClassName string `json:"gatewayClassName"`
		Listeners        []struct {
			Name     string `json:"name"`
			Hostname string `json:"hostname"`
			Port     int    `json:"port"`
			Protocol string `json:"protocol"`
		} `json:"listeners"`
	}](spec)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Class: g.GatewayClassName}
	for _, l := range g.Listeners {
		listener := Listener{Name: l.Name, Port: l.Port, Protocol: l.Protocol}
		if l.Hostname != "" {
			listener.Hosts = []string{l.Hostname}
		}
		w.Listeners = append(w.Listeners, listener)
		w.Hosts = append(w.Hosts, listener.Hosts...)
	}
	slices.Sort(w.Hosts)
	w.Hosts = slices.Compact(w.Hosts)
	return w, nil
}

type reference struct {
	Group       *string `json:"group"`
	Kind        string  `json:"kind"`
	Namespace   string  `json:"namespace"`
	Name        string  `json:"name"`
	SectionName string  `json:"sectionName"`
	Port        int     `json:"port"`
	Weight      *int    `json:"weight"`
}

// target is what a reference names; group and kind are the defaults of where it stands.
func (r reference) target(group, kind string) Target {
	t := Target{Group: group, Kind: cmp.Or(r.Kind, kind), Namespace: r.Namespace, Name: r.Name, Section: r.SectionName}
	if r.Group != nil {
		t.Group = *r.Group
	}
	return t
}

func (r reference) backend() Backend {
	return Backend{Target: r.target("", "Service"), Port: r.Port, Weight: r.Weight}
}

type routeRule struct {
	Name    string `json:"name"`
	Matches []struct {
		Path *struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"path"`
		Method      any          `json:"method"` // a word for HTTP, an object for gRPC
		Headers     []namedMatch `json:"headers"`
		QueryParams []namedMatch `json:"queryParams"`
	} `json:"matches"`
	Filters     []routeFilter `json:"filters"`
	BackendRefs []struct {
		reference
		Filters []routeFilter `json:"filters"`
	} `json:"backendRefs"`
	Timeouts *struct {
		Request        string `json:"request"`
		BackendRequest string `json:"backendRequest"`
	} `json:"timeouts"`
	Retry *struct {
		Attempts *int   `json:"attempts"`
		Backoff  string `json:"backoff"`
	} `json:"retry"`
}

type namedMatch struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

func readRoute(spec []byte) (*Wiring, error) {
	route, err := read[struct {
		ParentRefs []reference `json:"parentRefs"`
		Hostnames  []string    `json:"hostnames"`
		Rules      []routeRule `json:"rules"`
	}](spec)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Hosts: route.Hostnames}
	for _, p := range route.ParentRefs {
		w.Parents = append(w.Parents, p.target(resource.GatewayGroup, "Gateway"))
	}
	for _, r := range route.Rules {
		w.Rules = append(w.Rules, r.rule())
	}
	return w, nil
}

func (r routeRule) rule() Rule {
	rule := Rule{Name: r.Name}
	for _, m := range r.Matches {
		var parts []string
		switch method := m.Method.(type) {
		case string:
			parts = append(parts, method)
		case map[string]any:
			service, _ := method["service"].(string)
			name, _ := method["method"].(string)
			parts = append(parts, "method "+cmp.Or(service, "*")+"/"+cmp.Or(name, "*"))
		}
		if p := m.Path; p != nil && p.Value != "" {
			parts = append(parts, pathMatch(p.Type, p.Value))
		}
		parts = append(parts, namedMatches("header", m.Headers)...)
		parts = append(parts, namedMatches("query", m.QueryParams)...)
		if len(parts) > 0 {
			rule.Matches = append(rule.Matches, strings.Join(parts, ", "))
		}
	}
	for _, f := range r.Filters {
		rule.Steps = append(rule.Steps, f.step(""))
		if f.RequestMirror != nil {
			b := f.RequestMirror.BackendRef.backend()
			b.Mirror = true
			rule.Backends = append(rule.Backends, b)
		}
	}
	if t := r.Timeouts; t != nil {
		rule.add("timeout", t.Request)
		rule.add("backend timeout", t.BackendRequest)
	}
	if r.Retry != nil {
		says := "on failures"
		if r.Retry.Attempts != nil {
			says = fmt.Sprintf("%d attempts", *r.Retry.Attempts)
		}
		rule.add("retry", says)
	}
	for _, b := range r.BackendRefs {
		rule.Backends = append(rule.Backends, b.backend())
		for _, f := range b.Filters {
			rule.Steps = append(rule.Steps, f.step("for "+b.Name+": "))
		}
	}
	return rule
}

func (r *Rule) add(kind, says string) {
	if says != "" {
		r.Steps = append(r.Steps, Step{kind, says})
	}
}

func pathMatch(kind, value string) string {
	switch kind {
	case "Exact":
		return "path " + value
	case "RegularExpression":
		return "path like " + value
	default:
		return "path below " + value
	}
}

func namedMatches(what string, matches []namedMatch) []string {
	parts := make([]string, len(matches))
	for i, m := range matches {
		between := ": "
		if m.Type == "RegularExpression" {
			between = " like "
		}
		parts[i] = what + " " + m.Name + between + m.Value
	}
	return parts
}

type routeFilter struct {
	Type                   string          `json:"type"`
	RequestHeaderModifier  *headerModifier `json:"requestHeaderModifier"`
	ResponseHeaderModifier *headerModifier `json:"responseHeaderModifier"`
	RequestMirror          *struct {
		BackendRef reference `json:"backendRef"`
	} `json:"requestMirror"`
	RequestRedirect *redirect `json:"requestRedirect"`
	URLRewrite      *redirect `json:"urlRewrite"`
	ExtensionRef    *struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"extensionRef"`
}

type headerModifier struct {
	Set    []namedMatch `json:"set"`
	Add    []namedMatch `json:"add"`
	Remove []string     `json:"remove"`
}

type redirect struct {
	Scheme     string `json:"scheme"`
	Hostname   string `json:"hostname"`
	Port       int    `json:"port"`
	StatusCode int    `json:"statusCode"`
	Path       *struct {
		ReplaceFullPath    string `json:"replaceFullPath"`
		ReplacePrefixMatch string `json:"replacePrefixMatch"`
	} `json:"path"`
}

// step says what a filter does; before is put in front of it.
func (f routeFilter) step(before string) Step {
	says := ""
	switch {
	case f.RequestHeaderModifier != nil:
		says = f.RequestHeaderModifier.says()
	case f.ResponseHeaderModifier != nil:
		says = f.ResponseHeaderModifier.says()
	case f.RequestMirror != nil:
		says = "copies to " + f.RequestMirror.BackendRef.Name
	case f.RequestRedirect != nil:
		says = f.RequestRedirect.says("to ")
	case f.URLRewrite != nil:
		says = f.URLRewrite.says("")
	case f.ExtensionRef != nil:
		says = f.ExtensionRef.Kind + " " + f.ExtensionRef.Name
	}
	return Step{f.Type, clipWords(before + says)}
}

func (h headerModifier) says() string {
	var parts []string
	for _, s := range h.Set {
		parts = append(parts, "set "+s.Name+": "+s.Value)
	}
	for _, a := range h.Add {
		parts = append(parts, "add "+a.Name+": "+a.Value)
	}
	for _, r := range h.Remove {
		parts = append(parts, "remove "+r)
	}
	return strings.Join(parts, ", ")
}

func (r redirect) says(before string) string {
	var parts []string
	if r.Scheme != "" || r.Hostname != "" || r.Port != 0 {
		address := r.Hostname
		if r.Scheme != "" {
			address = r.Scheme + "://" + cmp.Or(r.Hostname, "the same host")
		}
		if r.Port != 0 {
			address += fmt.Sprintf(":%d", r.Port)
		}
		parts = append(parts, before+address)
	}
	if r.Path != nil && r.Path.ReplaceFullPath != "" {
		parts = append(parts, "path becomes "+r.Path.ReplaceFullPath)
	} else if r.Path != nil {
		parts = append(parts, "matched prefix becomes "+cmp.Or(r.Path.ReplacePrefixMatch, "/"))
	}
	if r.StatusCode != 0 {
		parts = append(parts, fmt.Sprintf("answer %d", r.StatusCode))
	}
	return strings.Join(parts, ", ")
}

// clipWords caps what a rule says, as details are.
func clipWords(text string) string {
	if len(text) <= maxDetail {
		return text
	}
	return strings.ToValidUTF8(text[:maxDetail], "") + "…"
}
