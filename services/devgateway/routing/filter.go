package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/devgateway/limit"
)

// routerFilter is the last filter of each proxy.
const routerFilter = "envoy.filters.http.router"

// rootNamespace is where an EnvoyFilter is for proxies of all namespaces, in a mesh that does not say otherwise.
const rootNamespace = "istio-system"

// inserted is a filter of a proxy, by name; port is that of the listener that has it, 0 for all.
type inserted struct {
	*limit.Filter
	name string
	port uint32
}

// patch adds rules to routes.
type patch struct {
	match *networking.EnvoyFilter_RouteConfigurationMatch
	rules []*limit.Rule
}

// applyFilters gives the routes of a proxy the guards that EnvoyFilters put before them.
func (c *compiler) applyFilters(p *proxy) {
	var filters []inserted
	var patches []patch
	for _, o := range c.filtersOf(p) {
		spec := o.Spec.(*networking.EnvoyFilter)
		c.notes.refuse(o.Key.String(), "spec", notExecuted, spec, "workload_selector", "config_patches", "priority")
		for i, from := range spec.GetConfigPatches() {
			at := fmt.Sprintf("spec.configPatches[%d]", i)
			var err error
			switch from.GetApplyTo() {
			case networking.EnvoyFilter_HTTP_FILTER:
				filters, err = c.changeFilters(filters, from)
			case networking.EnvoyFilter_HTTP_ROUTE:
				var made patch
				if made, err = c.readPatch(o.Key, at, from); err == nil {
					patches = append(patches, made)
				}
			default:
				err = fmt.Errorf("applyTo %s: %s", from.GetApplyTo(), notExecuted)
			}
			if err != nil {
				c.notes.add(o.Key.String(), at, err.Error())
			}
		}
	}
	if len(patches) == 0 {
		return
	}
	p.each(func(port uint32, h hosts) {
		for host, routes := range h {
			for _, r := range routes {
				if len(r.Backends) == 0 {
					continue // Envoy's filter leaves alone what has no route action
				}
				var rules []*limit.Rule
				for _, patch := range patches {
					if patch.isFor(p, port, host, r) {
						rules = append(rules, patch.rules...)
					}
				}
				for _, f := range filters {
					if g := f.For(rules); g != nil && (f.port == 0 || f.port == port) {
						r.Guards = append(r.Guards, g)
					}
				}
			}
		}
	})
}

// filtersOf returns the EnvoyFilters for a proxy, in the order in which istiod applies them.
func (c *compiler) filtersOf(p *proxy) []Object {
	var found []Object
	for _, o := range c.objects {
		spec, is := o.Spec.(*networking.EnvoyFilter)
		if is && (o.Key.Namespace == p.namespace || o.Key.Namespace == rootNamespace) &&
			len(spec.GetTargetRefs()) == 0 && resource.Selects(spec.GetWorkloadSelector().GetLabels(), p.selector) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b Object) int {
		return cmp.Or(byRoot(a)-byRoot(b), cmp.Compare(a.Spec.(*networking.EnvoyFilter).GetPriority(), b.Spec.(*networking.EnvoyFilter).GetPriority()))
	})
	return found
}

func byRoot(o Object) int {
	if o.Key.Namespace == rootNamespace {
		return 0
	}
	return 1
}

// onGateways refuses what is not for gateways.
func onGateways(from *networking.EnvoyFilter_EnvoyConfigObjectMatch) error {
	switch {
	case from.GetContext() != networking.EnvoyFilter_GATEWAY && from.GetContext() != networking.EnvoyFilter_ANY:
		return fmt.Errorf("match.context %s: gateways alone are executed", from.GetContext())
	case from.GetProxy() != nil:
		return fmt.Errorf("match.proxy: %s", notExecuted)
	}
	return nil
}

// changeFilters returns the filters of a proxy as a patch leaves them: with one more before the router, or without one.
func (c *compiler) changeFilters(filters []inserted, from *networking.EnvoyFilter_EnvoyConfigObjectPatch) ([]inserted, error) {
	if err := onGateways(from.GetMatch()); err != nil {
		return filters, err
	}
	listener := from.GetMatch().GetListener()
	fields := append(besides(listener, "filter_chain", "port_number"), besides(listener.GetFilterChain(), "filter")...)
	if len(fields) > 0 {
		return filters, fmt.Errorf("match.listener.%s: %s", strings.Join(fields, ", "), notExecuted)
	}
	of := listener.GetFilterChain().GetFilter().GetSubFilter().GetName()
	switch operation := from.GetPatch().GetOperation(); {
	case operation == networking.EnvoyFilter_Patch_REMOVE:
		return slices.DeleteFunc(filters, func(f inserted) bool {
			return f.name == of && (listener.GetPortNumber() == 0 || listener.GetPortNumber() == f.port)
		}), nil
	case operation != networking.EnvoyFilter_Patch_INSERT_BEFORE || of != "" && of != routerFilter:
		return filters, fmt.Errorf("%s %q: %s", operation, of, notExecuted)
	}
	var filter manager.HttpFilter
	var config ratelimit.RateLimit
	if err := fromStruct(from.GetPatch().GetValue(), &filter); err != nil {
		return filters, fmt.Errorf("patch.value: %w", err)
	}
	if !filter.GetTypedConfig().MessageIs(&config) {
		return filters, fmt.Errorf("patch.value: %s is no rate limit filter: %s", filter.GetTypedConfig().GetTypeUrl(), notExecuted)
	}
	if err := filter.GetTypedConfig().UnmarshalTo(&config); err != nil {
		return filters, fmt.Errorf("patch.value.typed_config: %w", err)
	}
	made, err := limit.NewFilter(c.cfg.Log, &config, func(name string) limit.Ask { return c.cfg.Dial(name, c.addresses(name)) })
	if err != nil {
		return filters, fmt.Errorf("patch.value.typed_config.%w", err)
	}
	return append(filters, inserted{made, filter.GetName(), listener.GetPortNumber()}), nil
}

// addresses returns the endpoints behind Envoy's name of a cluster, "outbound|PORT||HOST".
func (c *compiler) addresses(name string) []string {
	parts := strings.Split(name, "|")
	var port uint32
	if len(parts) != 4 || parts[0] != "outbound" {
		return nil
	}
	if _, err := fmt.Sscan(parts[1], &port); err != nil {
		return nil
	}
	return c.endpoints.of(parts[3], port)
}

func (c *compiler) readPatch(key resource.Key, at string, from *networking.EnvoyFilter_EnvoyConfigObjectPatch) (patch, error) {
	if err := onGateways(from.GetMatch()); err != nil {
		return patch{}, err
	}
	match := from.GetMatch().GetRouteConfiguration()
	if operation := from.GetPatch().GetOperation(); operation != networking.EnvoyFilter_Patch_MERGE {
		return patch{}, fmt.Errorf("%s of a route: %s", operation, notExecuted)
	}
	fields := append(besides(match, "port_number", "gateway", "vhost"), besides(match.GetVhost(), "name", "route", "domain_name")...)
	if action := match.GetVhost().GetRoute().GetAction(); action != networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_ANY &&
		action != networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_ROUTE { // only what has a backend is patched anyway
		fields = append(fields, "vhost.route.action "+action.String())
	}
	if len(fields) > 0 {
		return patch{}, fmt.Errorf("match.routeConfiguration.%s: %s", strings.Join(fields, ", "), notExecuted)
	}
	var wanted route.Route
	if err := fromStruct(from.GetPatch().GetValue(), &wanted); err != nil {
		return patch{}, fmt.Errorf("patch.value: %w", err)
	}
	c.notes.refuse(key.String(), at+".patch.value", notExecuted, &wanted, "route", "name")
	made := patch{match: match}
	if action := wanted.GetRoute(); action != nil {
		c.notes.refuse(key.String(), at+".patch.value.route", notExecuted, action, "rate_limits")
	}
	for i, from := range wanted.GetRoute().GetRateLimits() {
		rule, err := limit.NewRule(from)
		if err != nil {
			c.notes.add(key.String(), fmt.Sprintf("%s.patch.value.route.rate_limits[%d]", at, i), err.Error()+leftOut)
			continue
		}
		made.rules = append(made.rules, rule)
	}
	return made, nil
}

func fromStruct(from *structpb.Struct, to proto.Message) error {
	text, err := protojson.Marshal(from)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(text, to)
}

// isFor reports whether a patch is for a route of a host.
func (x patch) isFor(p *proxy, port uint32, host string, r *Route) bool {
	m := x.match
	name := func(want, is string) bool { return want == "" || want == is }
	return (m.GetPortNumber() == 0 || m.GetPortNumber() == port) &&
		(m.GetGateway() == "" || slices.Contains(p.gateways[port], m.GetGateway())) &&
		name(m.GetVhost().GetName(), fmt.Sprintf("%s:%d", host, port)) && name(m.GetVhost().GetDomainName(), host) &&
		name(m.GetVhost().GetRoute().GetName(), r.Name)
}
