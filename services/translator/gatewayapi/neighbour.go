package gatewayapi

import (
	"fmt"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/meshweir/meshweir/services/translator/graph"
	"github.com/meshweir/meshweir/services/translator/inventory"
)

// neighbours is what the other listeners on the same proxies mean for those of a Gateway.
type neighbours struct {
	// Conflicts has one entry for each listener of the Gateway.
	Conflicts []refusal
	// Overlaps has one entry for each listener: the names of HTTPS listeners of the port whose host names overlap.
	Overlaps [][]string
	// Others are the usable listeners of other Gateways.
	Others []socket
}

// socket is what a listener listens for.
type socket struct {
	Port     uint32
	Protocol gatewayv1.ProtocolType
	Hostname string
}

func (l listener) socket() socket { return socket{l.Port, l.Protocol, l.Hostname} }

// collide returns why two listeners cannot both be served.
func (s socket) collide(other socket) gatewayv1.ListenerConditionReason {
	switch {
	case s.Port != other.Port:
		return ""
	case s.Protocol != other.Protocol:
		return gatewayv1.ListenerReasonProtocolConflict
	case s.Hostname == other.Hostname:
		return gatewayv1.ListenerReasonHostnameConflict
	}
	return ""
}

func (t *Translator) findNeighbours(r *graph.Reader, ref inventory.Ref) neighbours {
	g := t.gateways.Get(r, ref)
	found := neighbours{Conflicts: collisions(g.Listeners), Overlaps: overlaps(g.Listeners)}
	for _, otherRef := range t.inv.Gateways(r, ref.Cluster) {
		other := t.gateways.Get(r, otherRef)
		if otherRef == ref || !other.Ours || !other.Refused.none() || !shareProxies(g.Selector, other.Selector) {
			continue
		}
		found.addGateway(g, other)
	}
	return found
}

// shareProxies reports whether two selectors surely select common proxies: one asks for all that the other asks for.
func shareProxies(a, b map[string]string) bool {
	return len(a) > 0 && len(b) > 0 && (within(a, b) || within(b, a))
}

// collisions finds the conflicts among the listeners of one Gateway; none of those that collide is served.
func collisions(listeners []listener) []refusal {
	conflicts := make([]refusal, len(listeners))
	for i, l := range listeners {
		for j, other := range listeners {
			if i == j || !l.Refused.none() || !other.Refused.none() {
				continue
			}
			if reason := l.socket().collide(other.socket()); reason != "" {
				conflicts[i] = refuse(reason, fmt.Sprintf("Collides with the listener %s: port %d, host name %s", other.Name, other.Port, other.Hostname))
			}
		}
	}
	return conflicts
}

// addGateway adds another Gateway on the same proxies. The older of two Gateways keeps what both want.
func (n *neighbours) addGateway(g, other gateway) {
	wins := byAge(other.Created, other.Ref, g.Created, g.Ref) < 0
	conflicts := collisions(other.Listeners)
	for i, o := range other.Listeners {
		if !o.usable() || !conflicts[i].none() {
			continue
		}
		n.Others = append(n.Others, o.socket())
		for j, l := range g.Listeners {
			reason := l.socket().collide(o.socket())
			if wins && reason != "" && n.Conflicts[j].none() && l.Refused.none() {
				n.Conflicts[j] = refuse(reason, fmt.Sprintf("Collides with the listener %s of the older Gateway %s/%s on the same proxies: port %d, host name %s",
					o.Name, other.Ref.Key.Namespace, other.Ref.Key.Name, o.Port, o.Hostname))
			}
		}
	}
}

// overlaps finds the HTTPS listeners of one port whose host names overlap without being the same.
func overlaps(listeners []listener) [][]string {
	found := make([][]string, len(listeners))
	for i, l := range listeners {
		for j, other := range listeners {
			if i != j && l.Protocol == gatewayv1.HTTPSProtocolType && other.Protocol == l.Protocol && l.Port == other.Port &&
				l.Hostname != other.Hostname && (covers(l.Hostname, other.Hostname) || covers(other.Hostname, l.Hostname)) {
				found[i] = append(found[i], other.Name)
			}
		}
	}
	return found
}
