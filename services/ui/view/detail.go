package view

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxDetail caps a detail, in bytes.
const maxDetail = 120

// details is what is read of any object to say what it is about.
type details struct {
	Replicas   *int     `json:"replicas"`
	Hostnames  []string `json:"hostnames"`
	Host       string   `json:"host"`
	Hosts      []string `json:"hosts"`
	Type       string   `json:"type"`
	Addresses  []string `json:"addresses"`
	DNSNames   []string `json:"dnsNames"`
	NotAfter   string   `json:"notAfter"`
	Controller string   `json:"controllerName"`
	NodeName   string   `json:"nodeName"`
	Ports      []struct {
		Port int `json:"port"`
	} `json:"ports"`
	Listeners []struct {
		Protocol string `json:"protocol"`
		Port     int    `json:"port"`
	} `json:"listeners"`
	Servers []struct {
		Hosts []string `json:"hosts"`
	} `json:"servers"`
}

type statusDetails struct {
	Phase             string `json:"phase"`
	ReadyReplicas     int    `json:"readyReplicas"`
	ContainerStatuses []struct {
		RestartCount int `json:"restartCount"`
	} `json:"containerStatuses"`
}

// detail says in a few words what an object is about; empty for a kind of which
// there is nothing short to say, or whose fields have other types than expected.
func detail(kind string, rawSpec, rawStatus []byte) string {
	read, ok := map[string]func(details, statusDetails) string{
		"Deployment":      replicas,
		"StatefulSet":     replicas,
		"ReplicaSet":      replicas,
		"Pod":             pod,
		"Service":         service,
		"HTTPRoute":       func(d details, _ statusDetails) string { return strings.Join(d.Hostnames, ", ") },
		"GRPCRoute":       func(d details, _ statusDetails) string { return strings.Join(d.Hostnames, ", ") },
		"GlobalService":   func(d details, _ statusDetails) string { return d.Host },
		"DestinationRule": func(d details, _ statusDetails) string { return d.Host },
		"VirtualService":  func(d details, _ statusDetails) string { return strings.Join(d.Hosts, ", ") },
		"ServiceEntry":    func(d details, _ statusDetails) string { return strings.Join(d.Hosts, ", ") },
		"GatewayClass":    func(d details, _ statusDetails) string { return d.Controller },
		"GatewayEndpoint": func(d details, _ statusDetails) string { return strings.Join(d.Addresses, ", ") },
		"Certificate":     certificate,
		"Gateway":         gateway,
	}[kind]
	if !ok {
		return ""
	}
	var spec details
	var status statusDetails
	if len(rawSpec) > 0 && json.Unmarshal(rawSpec, &spec) != nil {
		return ""
	}
	if len(rawStatus) > 0 && json.Unmarshal(rawStatus, &status) != nil {
		return ""
	}
	text := read(spec, status)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return text
}

func replicas(d details, s statusDetails) string {
	want := 1
	if d.Replicas != nil {
		want = *d.Replicas
	}
	return fmt.Sprintf("%d of %d ready", s.ReadyReplicas, want)
}

// Finished reports whether the row is that of a Pod whose work is done: nothing runs in it any more.
func (r *Row) Finished() bool {
	phase, _, _ := strings.Cut(r.Detail, ",") // as pod writes it
	return phase == "Succeeded" || phase == "Failed"
}

func pod(d details, s statusDetails) string {
	restarts := 0
	for _, c := range s.ContainerStatuses {
		restarts += c.RestartCount
	}
	var parts []string
	if s.Phase != "" {
		parts = append(parts, s.Phase)
	}
	if d.NodeName != "" {
		parts = append(parts, "on "+d.NodeName)
	}
	switch restarts {
	case 0:
	case 1:
		parts = append(parts, "1 restart")
	default:
		parts = append(parts, strconv.Itoa(restarts)+" restarts")
	}
	return strings.Join(parts, ", ")
}

func service(d details, _ statusDetails) string {
	ports := make([]string, len(d.Ports))
	for i, p := range d.Ports {
		ports[i] = strconv.Itoa(p.Port)
	}
	text := d.Type
	if text == "" {
		text = "ClusterIP"
	}
	if len(ports) > 0 {
		text += " " + strings.Join(ports, ", ")
	}
	return text
}

func certificate(d details, _ statusDetails) string {
	text := strings.Join(d.DNSNames, ", ")
	if until, _, ok := strings.Cut(d.NotAfter, "T"); ok {
		text += " until " + until
	}
	return strings.TrimSpace(text)
}

// gateway serves both kinds of that name: Gateway API's has listeners, Istio's has servers.
func gateway(d details, _ statusDetails) string {
	var parts []string
	for _, l := range d.Listeners {
		parts = append(parts, l.Protocol+" "+strconv.Itoa(l.Port))
	}
	for _, s := range d.Servers {
		parts = append(parts, s.Hosts...)
	}
	return strings.Join(parts, ", ")
}
