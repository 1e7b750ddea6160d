package inventory

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Age orders objects that stand against one another by which came first. The
// time of creation has whole seconds; where it is the same, the place decides.
type Age struct {
	// Created is in seconds since 1970; 0 when it is not known.
	Created int64
	Ref     Ref
}

// AgeOf returns the age of an object.
func AgeOf(ref Ref, meta metav1.ObjectMeta) Age {
	if meta.CreationTimestamp.IsZero() {
		return Age{Ref: ref}
	}
	return Age{meta.CreationTimestamp.Unix(), ref}
}

// Before reports whether a came before b.
func (a Age) Before(b Age) bool {
	if a.Created != b.Created {
		return a.Created < b.Created
	}
	return a.Ref.Compare(b.Ref) < 0
}
