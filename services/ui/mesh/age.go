package mesh

import (
	"cmp"
	"strings"
	"time"
)

// Older orders objects of a cluster as Istio does where only one can count: by age, then by name, then by namespace
// (pilot/pkg/model/config.go, configCompareByCreationTime).
func Older(a, b *Object) int {
	return cmp.Or(byAge(a, b), strings.Compare(a.Key.Name, b.Key.Name), strings.Compare(a.Key.Namespace, b.Key.Namespace))
}

// elected orders GlobalServices that stand against one another as the translator does: what is in force, then by age and place.
func elected(a, b *Object) int {
	if a.InForce() != b.InForce() {
		if a.InForce() {
			return -1
		}
		return 1
	}
	return cmp.Or(byAge(a, b), strings.Compare(a.Ref.Cluster, b.Ref.Cluster), a.Key.Compare(b.Key))
}

// claimsFirst orders Workspaces as the translator does: by age and name, and of one name by place.
func claimsFirst(a, b *Object) int {
	return cmp.Or(byAge(a, b), a.Key.Compare(b.Key), strings.Compare(a.Ref.Cluster, b.Ref.Cluster))
}

func byAge(a, b *Object) int {
	if a.Created == b.Created {
		return 0
	}
	return cmp.Compare(created(a), created(b))
}

// created is when an object was made, in seconds since 1970; 0, older than all others, where it does not say.
func created(o *Object) int64 {
	t, err := time.Parse(time.RFC3339, o.Created)
	if err != nil {
		return 0
	}
	return t.Unix()
}
