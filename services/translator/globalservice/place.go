package globalservice

import (
	"strings"

	"github.com/meshweir/meshweir/services/translator/graph"
)

// The labels of an endpoint that say where it is. They stand in the place of its
// locality and network: istiod sorts the endpoints of one locality only when
// their names are resolved by DNS, and puts a gateway of its own choice in the
// place of an endpoint in another network.
const (
	clusterLabel = "meshweir.io/cluster"
	regionLabel  = "topology.kubernetes.io/region"
	zoneLabel    = "topology.kubernetes.io/zone"
)

// place returns the labels of the endpoints in a cluster.
func (t *Translator) place(r *graph.Reader, cluster string) map[string]string {
	locality := ""
	if gateways := t.gateways.Get(r, cluster); len(gateways) > 0 {
		locality = gateways[0].Spec.Locality
	}
	return endpointLabels(cluster, locality)
}

func endpointLabels(cluster, locality string) map[string]string {
	labels := map[string]string{clusterLabel: cluster}
	region, zone, _ := strings.Cut(locality, "/")
	if region != "" {
		labels[regionLabel] = region
	}
	if zone != "" {
		labels[zoneLabel] = zone
	}
	return labels
}

// failoverPriority orders endpoints as they are seen from a place: those of the
// same cluster, then of the same zone, then of the same region, then all others.
// Only what is known of the place counts. What an endpoint shares with it must
// be shared from the first label on, so the cluster stands last.
func failoverPriority(place map[string]string) []string {
	var priority []string
	for _, label := range []string{regionLabel, zoneLabel, clusterLabel} {
		if value, known := place[label]; known {
			priority = append(priority, label+"="+value)
		}
	}
	return priority
}
