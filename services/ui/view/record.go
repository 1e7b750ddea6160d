package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/meshweir/meshweir/schemas/internalv1"
)

// Record is one value of a view: exactly one of its fields is set.
type Record struct {
	Cluster *Cluster `json:"cluster,omitempty"`
	Row     *Row     `json:"row,omitempty"`
	History *History `json:"history,omitempty"`
}

// Encode returns the record as it is stored. Equal records are equal bytes.
func (r Record) Encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a record of a view: %w", err)
	}
	return b, nil
}

// DecodeRecord reads what Encode wrote.
func DecodeRecord(_ string, value []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(value, &r); err != nil {
		return Record{}, fmt.Errorf("decoding a record of a view: %w", err)
	}
	set := 0
	for _, is := range []bool{r.Cluster != nil, r.Row != nil, r.History != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return Record{}, errors.New("decoding a record of a view: it is not one of a cluster, a row and a history")
	}
	return r, nil
}

// Ref names an object in a cluster. As text it is "cluster:key".
type Ref struct {
	Cluster string
	// Key is the object's resource.Key as text.
	Key string
}

// String returns "cluster:key", as in resource.SourcesAnnotation.
func (r Ref) String() string { return r.Cluster + ":" + r.Key }

// MarshalText is String.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what String returned.
func (r *Ref) UnmarshalText(b []byte) error {
	cluster, key, ok := strings.Cut(string(b), ":")
	if !ok || cluster == "" || key == "" {
		return fmt.Errorf(`parsing reference %q: want "cluster:key"`, b)
	}
	*r = Ref{cluster, key}
	return nil
}

// Compare orders references by cluster, then key.
func (r Ref) Compare(o Ref) int {
	if c := strings.Compare(r.Cluster, o.Cluster); c != 0 {
		return c
	}
	return strings.Compare(r.Key, o.Key)
}

// Place says where an object stands.
type Place string

// The places.
const (
	// PlaceLive is an object that the cluster holds.
	PlaceLive Place = "live"
	// PlaceWanted is an object that the cluster should hold and does not, as far as its snapshot tells.
	PlaceWanted Place = "wanted"
	// PlaceGone is an object that is neither held nor wanted, but whose removal went wrong.
	PlaceGone Place = "gone"
)

// Row is what a table shows of one object.
type Row struct {
	// Place says where the object stands.
	Place Place `json:"place"`
	// Managed is true for what Meshweir writes into the cluster.
	Managed bool `json:"managed,omitempty"`
	// File is the manifest that the object is in, in a cluster that is a folder.
	File string `json:"file,omitempty"`
	// Created is the object's creationTimestamp; empty where it has none.
	Created string `json:"created,omitempty"`
	// Labels are the object's labels.
	Labels map[string]string `json:"labels,omitempty"`
	// Detail is a few words on what the object is about: hosts, replicas, a phase.
	Detail string `json:"detail,omitempty"`
	// Wiring is what the object says of traffic; nil for a kind that says nothing of it.
	Wiring *Wiring `json:"wiring,omitempty"`
	// Manifest is set for an internalv1.ManifestProblem.
	Manifest *internalv1.ManifestProblemSpec `json:"manifest,omitempty"`
	// Conditions are those that the translator found.
	Conditions []Condition `json:"conditions,omitempty"`
	// Applied is what became of an output; nil for what is none.
	Applied *Applied `json:"applied,omitempty"`
	// Sources are the objects that this one was made from, sorted.
	Sources []Ref `json:"sources,omitempty"`
	// Outputs are the objects that were made from this one, sorted.
	Outputs []Ref `json:"outputs,omitempty"`
}

// ResultPending is the result of an output that no agent has reported on yet.
const ResultPending internalv1.Result = "Pending"

// Applied is what became of an output.
type Applied struct {
	// Result is an agent's, or [ResultPending].
	Result internalv1.Result `json:"result"`
	// Message explains a result that is a problem.
	Message string `json:"message,omitempty"`
	// Output is the position ("epoch/revision") of output/<cluster> that the result is about.
	Output string `json:"output,omitempty"`
}

// Problem reports whether the result asks for somebody's attention.
func (a *Applied) Problem() bool {
	if a == nil {
		return false
	}
	switch a.Result {
	case internalv1.ResultError, internalv1.ResultConflict, internalv1.ResultRefused:
		return true
	default:
		return false
	}
}

// Cluster is what pages show of one cluster.
type Cluster struct {
	// Known is false while the cluster's snapshot is missing or not complete: everything else is as it was last seen.
	Known bool `json:"known"`
	// RegisteredAt is when somebody registered the cluster; zero when nobody did.
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
	// Feeds counts the outputs that were made from the cluster's objects, by the other cluster that they are in.
	Feeds map[string]int `json:"feeds,omitempty"`
	// Owner is the identity that the cluster's name is bound to, the UID of its kube-system namespace.
	Owner string `json:"owner,omitempty"`
	// Snapshot, Output and Applied say how far the cluster's keyspaces have come.
	Snapshot Stand `json:"snapshot"`
	Output   Stand `json:"output"`
	Applied  Stand `json:"applied"`
	Counts
}

// Counts are what the rows of a cluster come to.
type Counts struct {
	// Objects counts the rows: what the cluster holds, what was computed from it, and outputs that it does not hold
	// as they should be. Managed counts those of them that Meshweir writes.
	Objects int `json:"objects"`
	Managed int `json:"managed"`
	// Kinds counts the objects by "Kind[.group]".
	Kinds map[string]int `json:"kinds,omitempty"`
	// Namespaces counts the Namespaces that the cluster holds.
	Namespaces int `json:"namespaces"`
	// Results counts the outputs by what became of them.
	Results map[internalv1.Result]int `json:"results,omitempty"`
	// Errors and Warnings count the problems.
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
}

// Stand is how far a keyspace has come.
type Stand struct {
	// Position is "epoch/revision"; empty when the keyspace does not exist.
	Position string `json:"position,omitempty"`
	// Complete is false while the first list of an epoch is being written.
	Complete bool `json:"complete,omitempty"`
	// ChangedAt is when the last change was written.
	ChangedAt time.Time `json:"changedAt,omitzero"`
}

// Seen reports whether anything was ever seen of the cluster itself. What was not is expected: it was registered, or fed others.
func (c Cluster) Seen() bool { return c.Known || c.Snapshot.Position != "" }

// Problems is the number of problems.
func (c Cluster) Problems() int { return c.Errors + c.Warnings }
