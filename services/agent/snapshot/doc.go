// Package snapshot decides what of a cluster leaves it.
//
// [Reducer] looks at one object: whether its kind is taken, and which of its
// fields readers use; of a Secret, nothing but the public part of a
// certificate. [Builder] looks at all of them together: it drops the namespaces
// that Istio's discoverySelectors drop, keeps the few ConfigMaps that matter,
// and computes the objects that exist in no cluster. Both are pure: a source
// reduces what it reads at once, so that nothing else is ever held in memory.
//
// The list of what is taken is the function contents; the golden folder testdata shows it.
package snapshot
