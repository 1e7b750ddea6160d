package view

import (
	"cmp"
	"fmt"
	"strings"
)

// selected is what every policy of Istio says of where it applies.
type selected struct {
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	WorkloadSelector struct {
		Labels map[string]string `json:"labels"`
	} `json:"workloadSelector"`
	TargetRef  *reference  `json:"targetRef"`
	TargetRefs []reference `json:"targetRefs"`
}

func (s selected) wiring(p Policy) *Wiring {
	w := &Wiring{Selector: s.Selector.MatchLabels, Policy: &p}
	if len(s.WorkloadSelector.Labels) > 0 {
		w.Selector = s.WorkloadSelector.Labels
	}
	if s.TargetRef != nil {
		s.TargetRefs = append(s.TargetRefs, *s.TargetRef)
	}
	for _, t := range s.TargetRefs {
		w.Targets = append(w.Targets, t.target("", ""))
	}
	w.Policy.Says = clipWords(w.Policy.Says)
	return w
}

func readAuthorizationPolicy(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		Action string `json:"action"`
		Rules  []struct {
			From []any `json:"from"`
			To   []any `json:"to"`
			When []any `json:"when"`
		} `json:"rules"`
		Provider struct {
			Name string `json:"name"`
		} `json:"provider"`
	}](spec)
	if err != nil {
		return nil, err
	}
	action := cmp.Or(p.Action, "ALLOW")
	says := count(len(p.Rules), "rule", "rules")
	switch {
	case len(p.Rules) == 0 && action == "ALLOW":
		says = "allows nothing by itself"
	case len(p.Rules) == 0:
		says = "no rule: matches no request"
	default:
		for _, r := range p.Rules {
			if len(r.From)+len(r.To)+len(r.When) == 0 {
				says = "matches every request"
			}
		}
	}
	if p.Provider.Name != "" {
		says += ", asks " + p.Provider.Name
	}
	return p.wiring(Policy{Action: action, Says: says}), nil
}

func readRequestAuthentication(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		JWTRules []struct {
			Issuer string `json:"issuer"`
		} `json:"jwtRules"`
	}](spec)
	if err != nil {
		return nil, err
	}
	issuers := make([]string, len(p.JWTRules))
	for i, r := range p.JWTRules {
		issuers[i] = r.Issuer
	}
	return p.wiring(Policy{Says: cmp.Or(strings.Join(issuers, ", "), "no issuer")}), nil
}

func readPeerAuthentication(spec []byte) (*Wiring, error) {
	type mtls struct {
		Mode string `json:"mode"`
	}
	p, err := read[struct {
		selected
		MTLS          mtls            `json:"mtls"`
		PortLevelMTLS map[string]mtls `json:"portLevelMtls"`
	}](spec)
	if err != nil {
		return nil, err
	}
	var says []string
	for _, port := range sortedKeys(p.PortLevelMTLS) {
		says = append(says, "port "+port+" "+cmp.Or(p.PortLevelMTLS[port].Mode, "UNSET"))
	}
	return p.wiring(Policy{Action: cmp.Or(p.MTLS.Mode, "UNSET"), Says: strings.Join(says, ", ")}), nil
}

func readEnvoyFilter(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		Priority      int `json:"priority"`
		ConfigPatches []struct {
			ApplyTo string `json:"applyTo"`
			Match   struct {
				Context string `json:"context"`
			} `json:"match"`
			Patch struct {
				Operation string `json:"operation"`
			} `json:"patch"`
		} `json:"configPatches"`
	}](spec)
	if err != nil {
		return nil, err
	}
	var says []string
	for _, c := range p.ConfigPatches {
		text := strings.TrimSpace(c.Patch.Operation + " " + c.ApplyTo)
		if c.Match.Context != "" && c.Match.Context != "ANY" {
			text += " (" + c.Match.Context + ")"
		}
		says = append(says, text)
	}
	return p.wiring(Policy{Priority: p.Priority, Says: strings.Join(says, ", ")}), nil
}

func readSidecar(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		Egress []struct {
			Hosts []string `json:"hosts"`
		} `json:"egress"`
	}](spec)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, e := range p.Egress {
		hosts = append(hosts, e.Hosts...)
	}
	says := ""
	if len(hosts) > 0 {
		says = "may call " + strings.Join(hosts, ", ")
	}
	return p.wiring(Policy{Says: says}), nil
}

func readTelemetry(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		Tracing       []any `json:"tracing"`
		Metrics       []any `json:"metrics"`
		AccessLogging []any `json:"accessLogging"`
	}](spec)
	if err != nil {
		return nil, err
	}
	var says []string
	for _, s := range []struct {
		name string
		list []any
	}{{"tracing", p.Tracing}, {"metrics", p.Metrics}, {"access logs", p.AccessLogging}} {
		if len(s.list) > 0 {
			says = append(says, s.name)
		}
	}
	return p.wiring(Policy{Says: strings.Join(says, ", ")}), nil
}

func readWasmPlugin(spec []byte) (*Wiring, error) {
	p, err := read[struct {
		selected
		URL      string `json:"url"`
		Phase    string `json:"phase"`
		Priority int    `json:"priority"`
	}](spec)
	if err != nil {
		return nil, err
	}
	return p.wiring(Policy{Phase: p.Phase, Priority: p.Priority, Says: p.URL}), nil
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
