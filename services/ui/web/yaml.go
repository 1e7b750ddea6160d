package web

import (
	"regexp"
	"strings"
)

// yamlLine is one line of YAML, as tokens.
type yamlLine []yamlToken

// yamlToken is a piece of text and what it is: "key", "string", "number", "word"
// (true, false, null), "mark" (punctuation), or "" for blanks.
type yamlToken struct{ Class, Text string }

var (
	// yamlEntry is what sigs.k8s.io/yaml writes on a line: blanks and dashes, a key, a value.
	yamlEntry  = regexp.MustCompile(`^(\s*(?:- )*)(?:("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#{\[|>&*!%@-][^#]*?|[^\s:]+)(:)( |$))?(.*)$`)
	yamlNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	yamlBlock  = regexp.MustCompile(`^[|>][-+0-9]*$`)
)

// yamlLines splits YAML, as sigs.k8s.io/yaml writes it, into tokens. It colours
// what people read and decides nothing: the tokens' texts joined are the text.
func yamlLines(text string) []yamlLine {
	var lines []yamlLine
	block := -1 // the indent of the key whose block of text the line may belong to
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if block >= 0 && (indent > block || strings.TrimSpace(line) == "") {
			lines = append(lines, yamlLine{{"string", line}})
			continue
		}
		block = -1
		tokens, opens := yamlTokens(line)
		if opens {
			block = indent
		}
		lines = append(lines, tokens)
	}
	return lines
}

// yamlTokens splits one line. It reports whether a block of text follows.
func yamlTokens(line string) (tokens yamlLine, opensBlock bool) {
	m := yamlEntry.FindStringSubmatch(line)
	if m == nil {
		return yamlLine{{"string", line}}, false
	}
	add := func(class, text string) {
		if text != "" {
			tokens = append(tokens, yamlToken{class, text})
		}
	}
	lead, key, colon, blank, value := m[1], m[2], m[3], m[4], m[5]
	add("mark", lead)
	add("key", key)
	add("mark", colon)
	add("", blank)
	switch {
	case yamlBlock.MatchString(value):
		add("mark", value)
		return tokens, true
	case value == "true", value == "false", value == "null":
		add("word", value)
	case value == "{}", value == "[]", value == "-":
		add("mark", value)
	case yamlNumber.MatchString(value):
		add("number", value)
	default:
		add("string", value)
	}
	return tokens, false
}
