package internalv1

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Result says what became of one object of an output.
type Result string

// The results that an agent reports.
const (
	// ResultApplied means that the object stands in the cluster as the output wants it.
	ResultApplied Result = "Applied"
	// ResultDeleted means that the object is gone, as the output wants it.
	ResultDeleted Result = "Deleted"
	// ResultError means that the cluster did not take the object; Message says why.
	ResultError Result = "Error"
	// ResultConflict means that an object which is not Meshweir's has the name; it was left alone.
	ResultConflict Result = "Conflict"
	// ResultRefused means that the output is older than what stands in the cluster.
	ResultRefused Result = "Refused"
)

// KindRefusedOutput is the kind of the objects, named "output" and "status", by which an agent's snapshot says that the whole of
// that keyspace is older than what was applied before: Redis lost a part of its history. Its annotation resource.OutputAnnotation holds the position
// that was applied; whoever writes the output must go beyond it.
const KindRefusedOutput = "RefusedOutput"

// Applied is what an agent last did with one object of its output: the value in the keyspace applied/<cluster>, under the object's key.
type Applied struct {
	// Result says what became of the object.
	Result Result `json:"result"`
	// Message explains every result but Applied and Deleted; empty for these.
	Message string `json:"message,omitempty"`
	// Output is the position in output/<cluster> at which the object last changed, "epoch/revision".
	Output string `json:"output,omitempty"`
	// Hash is the hash of the content that was applied, in hexadecimal; empty when nothing was.
	Hash string `json:"hash,omitempty"`
	// Drift says that somebody changed the object again and again; nil while nobody did.
	Drift *Drift `json:"drift,omitempty"`
}

// HashOf returns the hash of the content of an object, in the form of [Applied].
func HashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// Drift counts how often an object was applied again because somebody had changed or deleted it. It begins anew when that was not
// so for an hour, and when the agent starts.
type Drift struct {
	// Times is how often, from First to Last.
	Times int       `json:"times"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// By are the field managers that held a field which was not as the output wants it, the latest first, a few at most.
	By []FieldManager `json:"by,omitempty"`
	// Unnamed is how many of the times nobody told who it was: of what is taken away, and in a folder.
	Unnamed int `json:"unnamed,omitempty"`
	// Fields are paths of fields that had another value than the output wants, sorted, a few at most: "spec.http[0].timeout".
	Fields []string `json:"fields,omitempty"`
}

// FieldManager is who wrote to an object, as the API server calls them: of an entry of metadata.managedFields, what says who.
type FieldManager struct {
	// Name is what the writer calls itself: "kubectl-edit".
	Name string `json:"name"`
	// Operation is "Apply" or "Update".
	Operation string `json:"operation"`
	// Time is when its fields last changed; zero for unknown.
	Time time.Time `json:"time,omitzero"`
}
