package strict

import (
	"iter"
	"slices"
	"strings"
)

// Nearest returns the known name that was probably meant, with at most so many wrong letters, or "".
func Nearest(name string, known iter.Seq[string], wrong int) string {
	const longest = 64 // no field has a longer name
	if len(name) > longest {
		return ""
	}
	best, least := "", wrong
	for _, candidate := range slices.Sorted(known) {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < least || d == least && best == "" {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make a out of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
