package translator

import (
	"maps"

	"github.com/meshweir/meshweir/schemas/resource"
)

// Inputs is what is known of the fleet.
type Inputs struct {
	// Clusters are the snapshots by the cluster's name.
	Clusters map[string]Cluster
	// Deregistered are the clusters that are no part of the fleet, as if Clusters did not name them, and expected no more. Default: none.
	Deregistered []string
}

// Cluster is what is known of one cluster.
type Cluster struct {
	// Complete says that Objects is all that the cluster has. What an incomplete cluster has is unknown.
	Complete bool
	// Objects are the decoded values of the snapshot by key.
	Objects map[string]Object
}

// Outputs is what the clusters should have. A cluster that is not complete is
// absent: nothing is known of what it should have, so what it has stays.
type Outputs struct {
	// Objects are the values of output/<cluster> by cluster and key.
	Objects map[string]map[resource.Key][]byte
	// Statuses are the values of status/<cluster> by cluster and key.
	Statuses map[string]map[resource.Key][]byte
}

// Translate computes everything from nothing.
func Translate(inputs Inputs) Outputs {
	e := NewEngine()
	e.SetDeregistered(inputs.Deregistered...)
	for name, cluster := range inputs.Clusters {
		e.Replace(name, cluster.Objects)
		e.SetComplete(name, cluster.Complete)
	}
	e.Update()
	return e.Outputs()
}

// Outputs returns what the clusters should have, as of the last Update. The caller may keep it, but must not change the values.
func (e *Engine) Outputs() Outputs {
	return Outputs{Objects: copySet(e.objects.final), Statuses: copySet(e.statuses.final)}
}

func copySet(set map[string]map[resource.Key][]byte) map[string]map[resource.Key][]byte {
	copied := make(map[string]map[resource.Key][]byte, len(set))
	for cluster, values := range set {
		copied[cluster] = maps.Clone(values)
	}
	return copied
}

// Object returns the wanted value of an object as of the last Update, and false when there should be none.
func (e *Engine) Object(cluster string, key resource.Key) ([]byte, bool) {
	value, ok := e.objects.final[cluster][key]
	return value, ok
}

// Status returns the wanted value of an object's status as of the last Update, and false when there should be none.
func (e *Engine) Status(cluster string, key resource.Key) ([]byte, bool) {
	value, ok := e.statuses.final[cluster][key]
	return value, ok
}
