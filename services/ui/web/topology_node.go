package web

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/meshweir/meshweir/services/ui/mesh"
	"github.com/meshweir/meshweir/services/ui/topology"
)

// wayNode is what is said of a node, in the graph and in the table.
type wayNode struct {
	// Name is what the node is called: the name of an object, or how many there are in a group.
	Name string
	// Place is its namespace, or that of a group its cluster where there is none.
	Place string
	// Hosts are its host names in a few words.
	About string
	Icon  string
	// Mark is the icon of a health that asks for attention; empty for none.
	Mark string
	// Href is the page of the object, or of what a group holds.
	Href string
	// Words say all of it, for those who hear it.
	Words string
}

// Sub is the second line of a box.
func (n wayNode) Sub() string { return strings.Trim(n.Place+" · "+n.About, " ·") }

func describe(f topology.Filter, n *topology.Node) wayNode {
	d := wayNode{Name: n.Title, Place: n.Namespace, About: aboutNode(n), Mark: markOf(n.Health)}
	d.Icon = map[topology.Column]string{topology.Gateways: "gateway", topology.Routes: "route", topology.GlobalServices: "global"}[n.Column]
	d.Icon = cmp.Or(d.Icon, "service")
	what := n.Kind + " "
	if n.Count > 0 {
		many := strings.ToLower(n.Column.String())
		d.Name, d.Place, what = plural(n.Count, strings.TrimSuffix(many, "s"), many), cmp.Or(n.Namespace, n.Cluster), ""
	}
	switch {
	case n.Ref != nil:
		d.Href = Href(*n.Ref)
	case n.Count > 0:
		f.Cluster, f.Namespace = n.Cluster, cmp.Or(n.Namespace, f.Namespace)
		d.Href = topologyURL(f)
	default:
		d.Href = "/resources?q=" + url.QueryEscape(n.Title)
	}
	d.Words = what + d.Name
	if n.Namespace != "" {
		d.Words += ", namespace " + n.Namespace
	}
	d.Words += ", cluster " + n.Cluster
	if len(n.Hosts) > 0 {
		d.Words += ", for " + strings.Join(n.Hosts, ", ")
	}
	if n.Says != "" {
		d.Words += ": " + n.Says
	}
	return d
}

// aboutNode says for which hosts a node is, or what is wrong with it.
func aboutNode(n *topology.Node) string {
	switch {
	case n.Count > 0 && n.Ill > 0:
		return plural(n.Ill, "problem", "problems")
	case n.Count > 0:
		return ""
	case n.Health == mesh.Missing:
		return "not there"
	case len(n.Hosts) > 1:
		return n.Hosts[0] + " +" + number(len(n.Hosts)-1)
	case len(n.Hosts) == 1:
		return n.Hosts[0]
	case n.Sidecars:
		return "for sidecars"
	default:
		return ""
	}
}

// markOf returns the icon of a health that asks for attention, or that waits.
func markOf(h mesh.Health) string {
	return map[mesh.Health]string{
		mesh.Broken: "error", mesh.Missing: "error", mesh.Held: "clock", mesh.Away: "unknown", mesh.Warned: "warning", mesh.Pending: "pending",
	}[h]
}

// fit cuts a text so that it fits a width, in pixels of a font whose letters are that wide on average.
func fit(text string, width int, letter float64) string {
	most := int(float64(width) / letter)
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:max(1, most-1)]) + "…"
}
