package devgateway

import (
	"encoding/json"
	"net/http"

	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// statusPath is where the gateway speaks of itself, on every host.
const statusPath = "/.meshweir/devgateway"

// status is what the gateway says of itself.
type status struct {
	Clusters []clusterStatus `json:"clusters"`
}

type clusterStatus struct {
	Cluster  string            `json:"cluster"`
	Gateways []routing.Gateway `json:"gateways"`
	Hosts    []routing.Host    `json:"hosts"`
	// NotExecuted says what of the cluster's output is not executed.
	NotExecuted []routing.Note `json:"notExecuted"`
}

func (g *Gateway) serveStatus(w http.ResponseWriter, r *http.Request) {
	said := status{Clusters: []clusterStatus{}}
	for _, c := range *g.table.Load() {
		said.Clusters = append(said.Clusters, clusterStatus{c.Name, c.Gateways, c.Hosts(), c.Notes})
	}
	text, err := json.MarshalIndent(said, "", "  ")
	if err != nil {
		g.log.ErrorContext(r.Context(), "the status cannot be written", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(markHeader, "status")
	_, _ = w.Write(append(text, '\n')) // a client that has gone needs none
}
