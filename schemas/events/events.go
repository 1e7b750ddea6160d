// Package events holds one struct for each event that travels on a stream.
//
// An event is a hint: it names what changed and to which revision, never the
// changed bodies. Fixtures of every version ever shipped lie in testdata and
// must decode for ever.
package events

// Changed says that one atomic write changed a keyspace. Its id, the Watermill
// message UUID, is the write's id; its trace context travels in the metadata.
type Changed struct {
	// Version is the version of this shape, 1.
	Version int `json:"v"`
	// Keyspace is the keyspace's name, "snapshot/east".
	Keyspace string `json:"keyspace"`
	// Epoch is the keyspace's epoch after the write, as keyspace.Epoch prints it.
	Epoch string `json:"epoch"`
	// Revision is the keyspace's revision after the write; contiguous within an epoch.
	Revision uint64 `json:"revision"`
	// Previous is the id of the write before this one; empty for the first of a keyspace.
	Previous string `json:"prev,omitempty"`
	// Complete says whether the state is whole after the write: false while the first list of an epoch is still being written.
	Complete bool `json:"complete"`
	// At is when the change was first seen, in Unix milliseconds.
	At int64 `json:"at"`
	// Set names the keys that the write set, sorted.
	Set []string `json:"set,omitempty"`
	// Deleted names the keys that the write deleted, sorted.
	Deleted []string `json:"del,omitempty"`
	// Relist says that there was no write: somebody asks who follows the keyspace to list it again, and who works on it to
	// check everything. Epoch and Revision are then those of the last write, so that who does not know the field passes over it.
	Relist bool `json:"relist,omitempty"`
}
