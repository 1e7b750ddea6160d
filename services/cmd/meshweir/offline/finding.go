package offline

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/meshweir/meshweir/schemas/v1alpha1"
)

// Finding is something that is wrong with a manifest.
type Finding struct {
	// Cluster is the cluster's name; File the path within its folder, Line the line of the field or else of the object; "" and
	// 0 for an object that no manifest holds.
	Cluster, File string
	Line          int
	// Object is the key of an object that could be read; Of is the part of its status, "listener http".
	Object, Of string
	// Condition is the condition, "Accepted=False", or the code of an insight; empty for a manifest that cannot be read or an object that is
	// not. Reason is its reason, or the title of the insight.
	Condition, Reason string
	// Message says what is wrong, and mostly in which field.
	Message string
	// Minor says that nothing is sure to be wrong: the object works all the same, is for others to read, or names what the folders lack and a cluster may have.
	Minor bool
}

// String is one line, "east/routes.yaml:12: HTTPRoute.gateway.networking.k8s.io/shop/cart: Accepted=False (Reason): message".
func (f Finding) String() string {
	at := path.Join(f.Cluster, f.File)
	if f.Line > 0 {
		at += ":" + strconv.Itoa(f.Line)
	}
	parts := []string{at}
	if f.Object != "" {
		parts = append(parts, strings.TrimSpace(f.Object+" "+f.Of))
	}
	if f.Condition != "" {
		parts = append(parts, fmt.Sprintf("%s (%s)", f.Condition, f.Reason))
	}
	return strings.Join(append(parts, strings.Join(strings.Fields(f.Message), " ")), ": ")
}

// Findings returns the bad conditions of a value of status/<cluster>, at any depth, each once.
func Findings(value []byte) ([]Finding, error) {
	var object map[string]any
	if err := json.Unmarshal(value, &object); err != nil {
		return nil, err
	}
	var found []Finding
	var walk func(value any, list, of string)
	walk = func(value any, list, of string) {
		switch value := value.(type) {
		case map[string]any:
			of = strings.TrimSpace(of + " " + nameOf(value, list))
			for field, below := range value {
				if field == "conditions" {
					conditions, _ := below.([]any)
					found = append(found, bad(conditions, of)...)
					continue
				}
				walk(below, field, of)
			}
		case []any:
			for _, item := range value {
				walk(item, list, of)
			}
		}
	}
	walk(object["status"], "", "")
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(found), nil
}

// nameOf says which item of a status's list this is.
func nameOf(item map[string]any, list string) string {
	named := func(kind string, ref any) string {
		r, _ := ref.(map[string]any)
		name, _ := r["name"].(string)
		if section, ok := r["sectionName"].(string); ok {
			name += "/" + section
		}
		return strings.TrimSpace(kind + " " + name)
	}
	switch list {
	case "listeners":
		return named("listener", item)
	case "parents":
		return named("parent", item["parentRef"])
	case "ancestors":
		return named("ancestor", item["ancestorRef"])
	default:
		return ""
	}
}

func bad(conditions []any, of string) (found []Finding) {
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		text := func(field string) string { s, _ := condition[field].(string); return s }
		severity := v1alpha1.SeverityOf(text("type"), text("status"))
		if severity == v1alpha1.SeverityNone {
			continue
		}
		found = append(found, Finding{
			Of: of, Condition: text("type") + "=" + text("status"), Reason: text("reason"), Message: text("message"),
			Minor: severity == v1alpha1.SeverityNotice,
		})
	}
	return found
}

// fieldPath is a field that a message names at its beginning.
var (
	fieldPath = regexp.MustCompile(`^spec((\.[A-Za-z0-9]+)|(\[[0-9]+\]))*`)
	fieldStep = regexp.MustCompile(`[A-Za-z0-9]+`)
)

// fieldOf returns the path of the field that a message begins with; none for a message that names none.
func fieldOf(message string) (steps []any) {
	for _, step := range fieldStep.FindAllString(fieldPath.FindString(message), -1) {
		if n, err := strconv.Atoi(step); err == nil {
			steps = append(steps, n)
		} else {
			steps = append(steps, step)
		}
	}
	return steps
}
