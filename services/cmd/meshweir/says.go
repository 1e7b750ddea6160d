package main

import (
	"fmt"
	"strings"

	"github.com/meshweir/meshweir/schemas/insight"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/cmd/meshweir/offline"
	"github.com/meshweir/meshweir/services/insights"
	"github.com/meshweir/meshweir/services/translator"
)

// saysOf returns what an object of a keyspace has to say to an operator, in a line: what became of it, its bad conditions, or
// what cannot be read. It is empty for what is content alone, and for what cannot be decoded.
func saysOf(keyspaceKind, kind string, value []byte) string {
	internal, _ := strings.CutSuffix(kind, "."+resource.InternalGroup)
	switch {
	case keyspaceKind == appliedKind:
		if applied, err := decodeJSON[internalv1.Applied]("", value); err == nil {
			return told(string(applied.Result), applied.Message)
		}
	case keyspaceKind == statusKind:
		return saysOfStatus(value)
	case keyspaceKind == insights.Kind:
		if i, err := decodeJSON[insight.Insight]("", value); err == nil {
			return told(string(i.Severity), i.Summary)
		}
	case keyspaceKind == translator.RegistryName.Kind():
		if m, err := decodeJSON[internalv1.Membership]("", value); err == nil {
			return m.State
		}
	case internal == internalv1.KindManifestProblem:
		if p, err := decodeJSON[internalv1.ManifestProblem]("", value); err == nil {
			at := p.Spec.File
			if p.Spec.Line > 0 {
				at = fmt.Sprintf("%s:%d", at, p.Spec.Line)
			}
			return told(at, p.Spec.Message)
		}
	case internal == internalv1.KindUnreadKind:
		if u, err := decodeJSON[internalv1.UnreadKind]("", value); err == nil {
			return told("", u.Spec.Message)
		}
	}
	return ""
}

// saysOfStatus names the bad conditions of a status.
func saysOfStatus(value []byte) string {
	found, err := offline.Findings(value)
	if err != nil {
		return ""
	}
	parts := make([]string, len(found))
	for i, f := range found {
		parts[i] = told(strings.TrimSpace(fmt.Sprintf("%s %s (%s)", f.Of, f.Condition, f.Reason)), f.Message)
	}
	return strings.Join(parts, "; ")
}

// told joins what is not empty, on one line.
func told(what, why string) string {
	why = strings.Join(strings.Fields(why), " ")
	if what == "" || why == "" {
		return what + why
	}
	return what + ": " + why
}
