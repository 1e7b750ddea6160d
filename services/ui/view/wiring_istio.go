package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/istio"
)

func readIstioGateway(spec []byte) (*Wiring, error) {
	g, err := read[struct {
		Selector map[string]string `json:"selector"`
		Servers  []struct {
			Name string `json:"name"`
			Port struct {
				Number   int    `json:"number"`
				Name     string `json:"name"`
				Protocol string `json:"protocol"`
			} `json:"port"`
			Hosts []string `json:"hosts"`
		} `json:"servers"`
	}](spec)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Selector: g.Selector}
	for _, s := range g.Servers {
		w.Listeners = append(w.Listeners, Listener{Name: cmp.Or(s.Name, s.Port.Name), Hosts: s.Hosts, Port: s.Port.Number, Protocol: s.Port.Protocol})
		w.Hosts = append(w.Hosts, s.Hosts...)
	}
	slices.Sort(w.Hosts)
	w.Hosts = slices.Compact(w.Hosts)
	return w, nil
}

type virtualService struct {
	Hosts    []string      `json:"hosts"`
	Gateways []string      `json:"gateways"`
	ExportTo []string      `json:"exportTo"`
	HTTP     []virtualRule `json:"http"`
	TLS      []virtualRule `json:"tls"`
	TCP      []virtualRule `json:"tcp"`
}

// virtualRule is a rule for HTTP, TLS or TCP; each uses some of the fields.
type virtualRule struct {
	Name  string `json:"name"`
	Match []struct {
		URI         map[string]string            `json:"uri"`
		Method      map[string]string            `json:"method"`
		Authority   map[string]string            `json:"authority"`
		Headers     map[string]map[string]string `json:"headers"`
		QueryParams map[string]map[string]string `json:"queryParams"`
		SNIHosts    []string                     `json:"sniHosts"`
		Port        int                          `json:"port"`
	} `json:"match"`
	Route []struct {
		Destination destination `json:"destination"`
		Weight      *int        `json:"weight"`
	} `json:"route"`
	Mirror  *destination `json:"mirror"`
	Mirrors []struct {
		Destination destination `json:"destination"`
	} `json:"mirrors"`
	Redirect       map[string]any `json:"redirect"`
	DirectResponse map[string]any `json:"directResponse"`
	Delegate       map[string]any `json:"delegate"`
	Rewrite        map[string]any `json:"rewrite"`
	Headers        map[string]any `json:"headers"`
	CORSPolicy     map[string]any `json:"corsPolicy"`
	Fault          map[string]any `json:"fault"`
	Timeout        string         `json:"timeout"`
	Retries        *struct {
		Attempts      int    `json:"attempts"`
		PerTryTimeout string `json:"perTryTimeout"`
		RetryOn       string `json:"retryOn"`
	} `json:"retries"`
}

type destination struct {
	Host   string `json:"host"`
	Subset string `json:"subset"`
	Port   struct {
		Number int `json:"number"`
	} `json:"port"`
}

func (d destination) backend(weight *int) Backend {
	return Backend{Host: d.Host, Subset: d.Subset, Port: d.Port.Number, Weight: weight}
}

func readVirtualService(spec []byte) (*Wiring, error) {
	v, err := read[virtualService](spec)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Hosts: v.Hosts, ExportTo: v.ExportTo}
	if len(v.Gateways) == 0 {
		v.Gateways = []string{istio.Mesh}
	}
	for _, name := range v.Gateways {
		w.Parents = append(w.Parents, istioParent(name))
	}
	for _, rules := range [][]virtualRule{v.HTTP, v.TLS, v.TCP} {
		for _, r := range rules {
			w.Rules = append(w.Rules, r.rule())
		}
	}
	return w, nil
}

// istioParent reads how a VirtualService names a Gateway.
func istioParent(written string) Target {
	namespace, name, mesh := istio.Gateway(written, "")
	if mesh {
		return Target{Kind: KindMesh}
	}
	return Target{Group: groupNetworking, Kind: "Gateway", Namespace: namespace, Name: name}
}

func (r virtualRule) rule() Rule {
	rule := Rule{Name: r.Name}
	for _, m := range r.Match {
		var parts []string
		parts = append(parts, stringMatch("method", m.Method)...)
		parts = append(parts, stringMatch("path", m.URI)...)
		parts = append(parts, stringMatch("authority", m.Authority)...)
		for _, name := range sortedKeys(m.Headers) {
			parts = append(parts, stringMatch("header "+name, m.Headers[name])...)
		}
		for _, name := range sortedKeys(m.QueryParams) {
			parts = append(parts, stringMatch("query "+name, m.QueryParams[name])...)
		}
		if len(m.SNIHosts) > 0 {
			parts = append(parts, "SNI "+strings.Join(m.SNIHosts, ", "))
		}
		if m.Port != 0 {
			parts = append(parts, fmt.Sprintf("port %d", m.Port))
		}
		if len(parts) > 0 {
			rule.Matches = append(rule.Matches, strings.Join(parts, ", "))
		}
	}
	r.steps(&rule)
	for _, to := range r.Route {
		rule.Backends = append(rule.Backends, to.Destination.backend(to.Weight))
	}
	mirrors := r.Mirrors
	if r.Mirror != nil {
		mirrors = append(mirrors, struct {
			Destination destination `json:"destination"`
		}{*r.Mirror})
	}
	for _, m := range mirrors {
		b := m.Destination.backend(nil)
		b.Mirror = true
		rule.Backends = append(rule.Backends, b)
	}
	return rule
}

// steps adds what the rule does, in the order in which Envoy's router does it.
func (r virtualRule) steps(rule *Rule) {
	for _, s := range []struct {
		kind  string
		value map[string]any
	}{
		{"corsPolicy", r.CORSPolicy},
		{"fault", r.Fault},
		{"redirect", r.Redirect},
		{"directResponse", r.DirectResponse},
		{"delegate", r.Delegate},
		{"rewrite", r.Rewrite},
		{"headers", r.Headers},
	} {
		if s.value != nil {
			rule.Steps = append(rule.Steps, Step{s.kind, clipWords(words(s.value))})
		}
	}
	rule.add("timeout", r.Timeout)
	if t := r.Retries; t != nil {
		says := fmt.Sprintf("%d attempts", t.Attempts)
		if t.PerTryTimeout != "" {
			says += ", " + t.PerTryTimeout + " each"
		}
		if t.RetryOn != "" {
			says += ", on " + t.RetryOn
		}
		rule.add("retries", clipWords(says))
	}
}

// words writes a value of a manifest in one line: "uri: /v2, authority: x".
func words(value any) string {
	switch v := value.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range sortedKeys(v) {
			parts = append(parts, name+": "+words(v[name]))
		}
		return strings.Join(parts, ", ")
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = words(v[i])
		}
		return strings.Join(parts, " ")
	default:
		return fmt.Sprint(v)
	}
}

func stringMatch(what string, match map[string]string) []string {
	var parts []string
	for _, kind := range sortedKeys(match) {
		between := map[string]string{"exact": " ", "prefix": " below ", "regex": " like "}[kind]
		if strings.HasPrefix(what, "header") || strings.HasPrefix(what, "query") {
			between = map[string]string{"exact": ": ", "prefix": " begins with ", "regex": " like "}[kind]
		}
		parts = append(parts, what+cmp.Or(between, " ")+match[kind])
	}
	return parts
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func readServiceEntry(spec []byte) (*Wiring, error) {
	e, err := read[struct {
		Hosts    []string `json:"hosts"`
		ExportTo []string `json:"exportTo"`
	}](spec)
	if err != nil {
		return nil, err
	}
	return &Wiring{Hosts: e.Hosts, ExportTo: e.ExportTo}, nil
}

func readDestinationRule(spec []byte) (*Wiring, error) {
	d, err := read[struct {
		Host             string         `json:"host"`
		ExportTo         []string       `json:"exportTo"`
		TrafficPolicy    map[string]any `json:"trafficPolicy"`
		WorkloadSelector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"workloadSelector"`
		Subsets []struct {
			Name string `json:"name"`
		} `json:"subsets"`
	}](spec)
	if err != nil {
		return nil, err
	}
	var says []string
	says = append(says, sortedKeys(d.TrafficPolicy)...)
	if len(d.Subsets) > 0 {
		names := make([]string, len(d.Subsets))
		for i, s := range d.Subsets {
			names[i] = s.Name
		}
		says = append(says, "subsets "+strings.Join(names, ", "))
	}
	return &Wiring{
		Hosts: []string{d.Host}, ExportTo: d.ExportTo, Selector: d.WorkloadSelector.MatchLabels,
		Policy: &Policy{Says: clipWords(strings.Join(says, ", "))},
	}, nil
}
