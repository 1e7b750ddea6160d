package routing

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/guard"
)

// Route is one match of a http rule of a VirtualService, with what becomes of the requests that it takes. It does not change.
type Route struct {
	// Name is the name of Envoy's route; VirtualService and Gateway are the keys of the objects that it comes from.
	Name, VirtualService, Gateway string
	// Port is the port of the Gateway's server.
	Port uint32
	// Of Redirect, Direct and Backends one is set.
	Redirect *Redirect
	Direct   *Direct
	Backends []Backend
	Mirrors  []Mirror
	// Headers are the changes of headers of the whole route.
	Headers Headers
	// Timeout bounds the whole request; 0 is no limit.
	Timeout time.Duration
	Abort   *Fault
	Delay   *Fault
	// Authority replaces the Host header; empty leaves it.
	Authority string
	// Guards may answer before the backend does, in this order.
	Guards []guard.Guard

	match  *match
	prefix *string // replaces what was matched of the path
	regex  *substitution
}

// Direct is an answer that the gateway makes itself.
type Direct struct {
	Status int
	Body   []byte
}

// Fault is a fault for a share of the requests.
type Fault struct {
	// Percent is from 0 to 100.
	Percent float64
	// Status is that of an abort, and Wait the time of a delay.
	Status int
	Wait   time.Duration
}

// Backend is a destination of a route.
type Backend struct {
	Destination
	Weight  int
	Headers Headers
}

// Mirror is a destination that gets a copy of some requests.
type Mirror struct {
	Destination
	Percent float64
}

// Headers are changes of headers.
type Headers struct{ Request, Response Changes }

// Changes are removed, then set, then added.
type Changes struct {
	Remove   []string
	Set, Add map[string]string
}

// Apply changes headers.
func (c Changes) Apply(to http.Header) {
	for _, name := range c.Remove {
		to.Del(name)
	}
	for name, value := range c.Set {
		to.Set(name, value)
	}
	for name, value := range c.Add {
		to.Add(name, value)
	}
}

// Rewrite returns the path that the backend is asked for.
func (r *Route) Rewrite(path string) string {
	switch {
	case r.regex != nil:
		return r.regex.apply(path)
	case r.prefix != nil:
		return r.match.replace(path, *r.prefix)
	}
	return path
}

// defaultWeight is that of a destination without one.
const defaultWeight = 100

// routesOf returns the routes that a VirtualService is on a port of a Gateway, in order. A request that a match cannot be asked about
// is not approximated: the match is left out.
func (c *compiler) routesOf(o Object, vs *networking.VirtualService, gateway resource.Key, port uint32) []*Route {
	var routes []*Route
	object := o.Key.String()
	for i, rule := range vs.GetHttp() {
		at := fmt.Sprintf("spec.http[%d]", i)
		c.notes.refuse(object, at, notExecuted, rule, "name", "match", "route", "redirect", "direct_response", "rewrite", "timeout", "retries", "fault",
			"mirror", "mirror_percentage", "mirrors", "headers")
		if rule.GetDelegate() != nil {
			continue
		}
		matches := rule.GetMatch()
		if len(matches) == 0 {
			matches = []*networking.HTTPMatchRequest{{}}
		}
		for j, from := range matches {
			field := fmt.Sprintf("%s.match[%d]", at, j)
			if p := from.GetPort(); p != 0 && p != port || !c.onGateway(o.Key.Namespace, from.GetGateways(), gateway) {
				continue
			}
			if c.notes.refuse(object, field, notExecuted+leftOut, from, "name", "uri", "scheme", "method", "authority", "headers", "port", "query_params",
				"ignore_uri_case", "without_headers", "gateways", "stat_prefix") {
				continue
			}
			m, err := newMatch(from)
			if err != nil {
				c.notes.add(object, field, err.Error()+leftOut)
				continue
			}
			route, err := c.route(o.Key, at, rule, m, port)
			if err != nil {
				c.notes.add(object, at, err.Error()+leftOut)
				continue
			}
			route.Name = rule.GetName()
			if from.GetName() != "" {
				route.Name += "." + from.GetName()
			}
			route.VirtualService, route.Gateway, route.Port = object, gateway.String(), port
			routes = append(routes, route)
			if m.all() {
				return routes // istiod leaves out what could never be reached, before it puts such routes last
			}
		}
	}
	return routes
}

func (c *compiler) route(key resource.Key, at string, from *networking.HTTPRoute, m *match, port uint32) (*Route, error) {
	object := key.String()
	r := &Route{match: m, Timeout: from.GetTimeout().AsDuration(), Headers: c.headers(object, at+".headers", from.GetHeaders())}
	if retries := from.GetRetries(); retries != nil {
		if limit := retries.GetPerTryTimeout().AsDuration(); limit > 0 && (r.Timeout == 0 || limit < r.Timeout) {
			r.Timeout = limit
		}
		c.notes.refuse(object, at+".retries", "each request is tried once", retries, "per_try_timeout")
	}
	c.readFault(r, object, at+".fault", from.GetFault())
	if rewrite := from.GetRewrite(); rewrite != nil {
		r.Authority = rewrite.GetAuthority()
		switch {
		case rewrite.GetUriRegexRewrite() != nil:
			var err error
			if r.regex, err = newSubstitution(rewrite.GetUriRegexRewrite()); err != nil {
				return nil, fmt.Errorf("rewrite.uriRegexRewrite: %w", err)
			}
		case rewrite.GetUri() != "":
			r.prefix = &rewrite.Uri
		}
	}
	switch {
	case from.GetRedirect() != nil:
		r.Redirect = newRedirect(from.GetRedirect(), m, port)
	case from.GetDirectResponse() != nil:
		direct := from.GetDirectResponse()
		r.Direct = &Direct{Status: int(direct.GetStatus())}
		if body := direct.GetBody(); body.GetString_() != "" {
			r.Direct.Body = []byte(body.GetString_())
		} else {
			r.Direct.Body = body.GetBytes()
		}
	case len(from.GetRoute()) == 0:
		return nil, fmt.Errorf("neither route nor redirect nor directResponse")
	}
	for i, to := range from.GetRoute() {
		b := Backend{
			Destination: c.destination(key, fmt.Sprintf("%s.route[%d].destination", at, i), to.GetDestination(), port),
			Weight:      int(to.GetWeight()), Headers: c.headers(object, fmt.Sprintf("%s.route[%d].headers", at, i), to.GetHeaders()),
		}
		if len(from.GetRoute()) == 1 {
			b.Weight = cmp.Or(b.Weight, defaultWeight)
		}
		if b.Weight > 0 {
			r.Backends = append(r.Backends, b)
		}
	}
	if len(r.Backends) == 0 && len(from.GetRoute()) > 0 {
		return nil, fmt.Errorf("no destination has a weight")
	}
	if to := from.GetMirror(); to != nil {
		percent := 100.0
		if from.GetMirrorPercentage() != nil {
			percent = from.GetMirrorPercentage().GetValue()
		}
		r.Mirrors = append(r.Mirrors, Mirror{c.destination(key, at+".mirror", to, port), percent})
	}
	for i, to := range from.GetMirrors() {
		percent := 100.0
		if to.GetPercentage() != nil {
			percent = to.GetPercentage().GetValue()
		}
		r.Mirrors = append(r.Mirrors, Mirror{c.destination(key, fmt.Sprintf("%s.mirrors[%d]", at, i), to.GetDestination(), port), percent})
	}
	return r, nil
}

func (c *compiler) readFault(r *Route, object, at string, from *networking.HTTPFaultInjection) {
	percent := func(p *networking.Percent) float64 {
		if p == nil {
			return 100
		}
		return p.GetValue()
	}
	if abort := from.GetAbort(); abort != nil {
		if !c.notes.refuse(object, at+".abort", notExecuted, abort, "http_status", "percentage") {
			r.Abort = &Fault{Percent: percent(abort.GetPercentage()), Status: int(abort.GetHttpStatus())}
		}
	}
	if delay := from.GetDelay(); delay != nil {
		if !c.notes.refuse(object, at+".delay", notExecuted, delay, "fixed_delay", "percentage") {
			r.Delay = &Fault{Percent: percent(delay.GetPercentage()), Wait: delay.GetFixedDelay().AsDuration()}
		}
	}
}

func (c *compiler) headers(object, at string, from *networking.Headers) Headers {
	return Headers{
		Request:  c.changes(object, at+".request", from.GetRequest()),
		Response: c.changes(object, at+".response", from.GetResponse()),
	}
}

func (c *compiler) changes(object, at string, from *networking.Headers_HeaderOperations) Changes {
	values := func(operation string, from map[string]string) map[string]string {
		to := make(map[string]string, len(from))
		for _, name := range slices.Sorted(maps.Keys(from)) {
			value := strings.ReplaceAll(from[name], "%%", "\x00")
			if strings.Contains(value, "%") { // a variable of Envoy's
				c.notes.add(object, at+"."+operation+"["+name+"]", "variables in values: "+notExecuted)
				continue
			}
			to[name] = strings.ReplaceAll(value, "\x00", "%")
		}
		return to
	}
	return Changes{Remove: from.GetRemove(), Set: values("set", from.GetSet()), Add: values("add", from.GetAdd())}
}
