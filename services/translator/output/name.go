package output

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName is the length of a DNS label.
const maxName = 63

// Name makes a DNS label from parts that together identify an object. It is
// readable as far as there is room and ends in a hash of all parts, so that two
// different lists of parts have two names.
func Name(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	suffix := "-" + hex.EncodeToString(sum[:5])
	readable := strings.Map(labelRune, strings.Join(parts, "-"))
	readable = readable[:min(len(readable), maxName-len(suffix))]
	readable = strings.Trim(readable, "-")
	if readable == "" {
		readable = "x"
	}
	return readable + suffix
}

func labelRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r >= 'A' && r <= 'Z':
		return r - 'A' + 'a'
	case r == '*':
		return 'x' // as in "x.example.com", any name under example.com
	}
	return '-'
}
