package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/strict"
)

// isKind reports whether a kind, "Kind[.group]", is the one that somebody wrote, in any case and with or without its group.
func isKind(kind, wanted string) bool {
	short, _, _ := strings.Cut(kind, ".")
	return wanted == "" || strings.EqualFold(kind, wanted) || strings.EqualFold(short, wanted)
}

// knownKind refuses a kind that is neither there nor known: an empty list of it would say that there are no such objects.
func knownKind(wanted string, there map[string]bool) error {
	kinds := maps.Clone(there)
	for group, names := range strict.Kinds() {
		for _, name := range names {
			kinds[strings.TrimSuffix(name+"."+group, ".")] = true
		}
	}
	for _, name := range []string{
		internalv1.KindCertificate, internalv1.KindGatewayEndpoint, internalv1.KindMesh, internalv1.KindManifestProblem,
		internalv1.KindUnapplied, internalv1.KindUnreadKind, internalv1.KindRefusedOutput,
	} {
		kinds[name+"."+resource.InternalGroup] = true
	}
	names := map[string]bool{}
	for kind := range kinds {
		if isKind(kind, wanted) {
			return nil
		}
		short, _, _ := strings.Cut(kind, ".")
		names[short], names[kind] = true, true
	}
	err := fmt.Errorf("--kind: there is no kind %q", wanted)
	if meant := strict.Nearest(wanted, maps.Keys(names), len(wanted)/3); meant != "" {
		return fmt.Errorf("%w: did you mean %s?", err, meant)
	}
	return fmt.Errorf("%w; here are %s", err, list(slices.Sorted(maps.Keys(there))))
}
