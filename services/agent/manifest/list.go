package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// flatten takes Lists apart and checks that every object says what it is.
// Good items of a List are returned beside the error of a bad one.
func flatten(objects []map[string]any) ([]map[string]any, error) {
	var out []map[string]any
	var errs []error
	for _, object := range objects {
		items, isList := listItems(object)
		if !isList {
			if err := identified(object); err != nil {
				errs = append(errs, err)
				continue
			}
			out = append(out, object)
			continue
		}
		inner, err := flatten(items)
		out = append(out, inner...)
		if err != nil {
			errs = append(errs, fmt.Errorf("in a List: %w", err))
		}
	}
	if len(errs) > 1 { // one line for each document is enough to start mending it
		return out, fmt.Errorf("%w (and %d more of this document)", errs[0], len(errs)-1)
	}
	return out, errors.Join(errs...)
}

// listItems returns the items of a v1 List or of a typed list such as
// ServiceList, whose items need not repeat their apiVersion and kind.
func listItems(object map[string]any) ([]map[string]any, bool) {
	kind, _ := object["kind"].(string)
	itemKind, ok := strings.CutSuffix(kind, "List")
	values, isArray := object["items"].([]any)
	if !ok || !isArray {
		return nil, false
	}
	items := make([]map[string]any, 0, len(values))
	for _, value := range values {
		item, ok := value.(map[string]any)
		if !ok {
			item = map[string]any{}
		}
		if itemKind != "" {
			setDefault(item, "kind", itemKind)
			setDefault(item, "apiVersion", object["apiVersion"])
		}
		items = append(items, item)
	}
	return items, true
}

func setDefault(object map[string]any, field string, value any) {
	if object[field] == nil && value != nil {
		object[field] = value
	}
}

func identified(object map[string]any) error {
	for _, field := range []string{"apiVersion", "kind"} {
		if text, _ := object[field].(string); text == "" {
			return fmt.Errorf("the object has no %s: add one, or move what is no Kubernetes manifest out of this folder", field)
		}
	}
	return nil
}
