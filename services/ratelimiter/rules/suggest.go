package rules

import (
	"fmt"
	"strings"
)

// didYouMean is an ending for a message: the known word that is closest, when one is close.
func didYouMean(word string, known ...string) string {
	if best := Closest(word, known...); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// Closest is the known word from which a word differs by one letter and a third of its letters at most, or "".
func Closest(word string, known ...string) string {
	word = strings.ToLower(word)
	if len(word) > 64 {
		return ""
	}
	best, least := "", len(word)/3+2 // two letters that changed places are two
	if len(word) < 4 {
		least = 2
	}
	for _, candidate := range known {
		if len(candidate) > 64 {
			continue
		}
		if d := distance(word, strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters to change, add or drop (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
