package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// judged notes what an API server says, in words that quote no value. It says it in another order each time.
func (w *walk) judged(errs field.ErrorList) {
	for _, err := range errs {
		var path []any
		if err.Field != "<nil>" { // how field writes the object itself
			path = steps(err.Field)
		}
		said := cmp.Or(strings.TrimPrefix(err.Detail, err.Field+" in body "), strings.ToLower(err.Type.String()))
		if len(path) == 0 {
			w.note(path, "%s", said)
			continue
		}
		w.note(path, "%s: %s", text(path), said)
	}
	slices.SortFunc(w.mistakes, compareMistakes)
}

func compareMistakes(a, b Mistake) int {
	return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareSteps), strings.Compare(a.Message, b.Message))
}

func compareSteps(a, b any) int {
	i, _ := a.(int)
	j, _ := b.(int)
	return cmp.Or(cmp.Compare(i, j), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)))
}

// steps reads a path such as "spec.ports[0].name".
func steps(path string) []any {
	var found []any
	for path != "" {
		rest, bracketed := strings.CutPrefix(path, "[")
		if bracketed {
			var inner string
			inner, path, _ = strings.Cut(rest, "]")
			if index, err := strconv.Atoi(inner); err == nil {
				found = append(found, index)
			} else {
				found = append(found, inner)
			}
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end == 0 {
			break // no path that field writes
		}
		found, path = append(found, path[:end]), path[end:]
	}
	return found
}
