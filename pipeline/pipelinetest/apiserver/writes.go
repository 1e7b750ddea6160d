package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Write is one request that changed what the server stores, or tried to.
type Write struct {
	// At is when the request came.
	At time.Time
	// User asked for it.
	User string
	// Manager is the field manager that wrote: what the request said, or else the
	// beginning of its user agent.
	Manager string
	// Verb is create, update, patch, delete or deletecollection.
	Verb string
	// Group and Resource are "" and "services", "apps" and "deployments". Subresource
	// is "status", or mostly nothing.
	Group, Resource, Subresource string
	// Namespace and Name are those of the object.
	Namespace, Name string
	// Code is the HTTP status of the answer.
	Code int
	// Sent is the body of the request.
	Sent json.RawMessage
	// Before and After are what was stored: Before is nil when the object was
	// created, and After when it was deleted. Of a Secret both are nil.
	Before, After json.RawMessage
}

// String names the write in one line.
func (w Write) String() string {
	object := strings.Trim(w.Namespace+"/"+w.Name, "/")
	kind := strings.Trim(w.Resource+"."+w.Group, ".")
	if w.Subresource != "" {
		kind += "/" + w.Subresource
	}
	return fmt.Sprintf("%s %s %s by %s (%s): %d", w.Verb, kind, object, w.User, w.Manager, w.Code)
}

// Deletes says whether the write takes objects away.
func (w Write) Deletes() bool { return strings.HasPrefix(w.Verb, "delete") && w.Subresource == "" }

// Loss is something that an object had before a write and has not after it.
type Loss struct {
	// Path says where it was: "spec.endpoints[1]".
	Path string
	// Value is what it was, as JSON is decoded.
	Value any
}

// String is the path.
func (l Loss) String() string { return l.Path }

// Lost returns what the object had before the write and has not
// after it: members, and elements of lists. Metadata and status do not count. What
// has another value is not lost.
func (w Write) Lost() []Loss {
	if w.Before == nil || w.After == nil {
		return nil
	}
	before, after := content(w.Before), content(w.After)
	return lost("", before, after)
}

// content is what an object says, without what is said about it.
func content(object json.RawMessage) any {
	var m map[string]any
	if json.Unmarshal(object, &m) != nil {
		return nil
	}
	delete(m, "metadata")
	delete(m, "status")
	return m
}

// lost compares two values of JSON. An element of a list is there still when
// another list has one that lost nothing of it.
func lost(path string, before, after any) []Loss {
	switch before := before.(type) {
	case map[string]any:
		members, ok := after.(map[string]any)
		if !ok {
			return []Loss{{path, before}}
		}
		var losses []Loss
		for _, name := range slices.Sorted(maps.Keys(before)) {
			at := strings.TrimPrefix(path+"."+name, ".")
			if now, there := members[name]; there {
				losses = append(losses, lost(at, before[name], now)...)
			} else {
				losses = append(losses, Loss{at, before[name]})
			}
		}
		return losses
	case []any:
		elements, ok := after.([]any)
		if !ok {
			return []Loss{{path, before}}
		}
		var losses []Loss
		elements = slices.Clone(elements)
		for i, value := range before {
			at := slices.IndexFunc(elements, func(now any) bool { return holds(now, value) })
			if at < 0 {
				losses = append(losses, Loss{fmt.Sprintf("%s[%d]", path, i), value})
				continue
			}
			elements = slices.Delete(elements, at, at+1)
		}
		return losses
	default:
		return nil
	}
}

// holds says whether a list's element now stands for one before.
func holds(now, before any) bool {
	switch before.(type) {
	case map[string]any, []any:
		return len(lost("", before, now)) == 0
	default:
		return now == before
	}
}

// Writes is what the server wrote down, in the order of its answers.
type Writes []Write

// By returns the writes of a user.
func (ws Writes) By(user string) Writes {
	return ws.which(func(w Write) bool { return w.User == user })
}

// ManagedBy returns the writes of a field manager.
func (ws Writes) ManagedBy(manager string) Writes {
	return ws.which(func(w Write) bool { return w.Manager == manager })
}

// Of returns the writes of a resource, such as "networking.istio.io" and
// "virtualservices".
func (ws Writes) Of(group, resource string) Writes {
	return ws.which(func(w Write) bool { return w.Group == group && w.Resource == resource })
}

// Deletes returns those that took objects away.
func (ws Writes) Deletes() Writes { return ws.which(Write.Deletes) }

// Shrinks returns those that left an object with less than it had: see [Write.Lost].
func (ws Writes) Shrinks() Writes {
	return ws.which(func(w Write) bool { return len(w.Lost()) > 0 })
}

func (ws Writes) which(holds func(Write) bool) Writes {
	var found Writes
	for _, w := range ws {
		if holds(w) {
			found = append(found, w)
		}
	}
	return found
}

// String has a line for each write.
func (ws Writes) String() string {
	lines := make([]string, len(ws))
	for i, w := range ws {
		lines[i] = w.String()
		for _, loss := range w.Lost() {
			lines[i] += ", lost " + loss.Path
		}
	}
	return strings.Join(lines, "\n")
}
