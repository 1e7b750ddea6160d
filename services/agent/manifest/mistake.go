package manifest

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// lineError carries the line, from 1 and within its document, that a parser named.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return e.text }

// mistake is a class of what can be wrong with YAML.
type mistake struct {
	// begins is how the parser's text for it begins. What follows there may quote the manifest.
	begins string
	// says is what is said instead.
	says string
	// early says that the parser names the line before the one that it means.
	early bool
}

const (
	badIndentation = "the indentation does not fit, or a ':' or '-' is missing: correct this line or the one before it"
	badCharacter   = "this line holds a character that is not allowed here: put the value in quotes, or save the file as UTF-8 text"
	badTag         = "a tag (\"!…\") is not valid: remove it, or put the value in quotes"
	badDirective   = "a directive (\"%…\") is not valid: remove it"
	badEscape      = "an escape sequence in double quotes is not valid: use single quotes, or write \"\\\\\" for a backslash"
	badKey         = "a key is not plain text: put it in quotes"
	openBracket    = "a '[' or '{' is not closed, or a ',' is missing: correct this line or the one before it"
	openQuote      = "a quote is not closed: close it, here or in a line before"
	tab            = "a tab stands where only spaces may: indent with spaces"
)

// mistakes returns the classes; of two that begin alike, the longer is first.
func mistakes() []mistake {
	return []mistake{
		{begins: "unknown anchor", says: "an alias (\"*…\") names an anchor that does not exist: define the anchor, or put the value in quotes"},
		{begins: "anchor '", says: "an anchor's value contains itself: take the alias (\"*…\") out"},
		{begins: "document contains excessive aliasing", says: "aliases (\"*…\") unfold to too much: write the values out"},
		{begins: "key ", says: "a key is given twice in the same mapping: remove one of the two"},
		{begins: "cannot unmarshal", says: "a value does not fit its place: correct it"},
		{begins: "cannot decode", says: "a value does not fit its tag (\"!!…\"): remove the tag, or correct the value"},
		{begins: "!!binary value", says: "a value tagged !!binary is not base64: correct it"},
		{begins: "map merge", says: "a merge key (\"<<\") must name a mapping: correct it"},
		{begins: "invalid map key", says: badKey},
		{begins: "unsupported map key", says: badKey},
		{begins: "mapping values are not allowed", says: badIndentation},
		{begins: "mapping keys are not allowed", says: badIndentation},
		{begins: "block sequence entries are not allowed", says: badIndentation},
		{begins: "could not find expected ':'", says: badIndentation},
		{begins: "did not find expected key", says: badIndentation, early: true},
		{begins: "did not find expected '-' indicator", says: badIndentation, early: true},
		{begins: "did not find expected <document start>", says: badIndentation, early: true},
		{begins: "did not find expected node content", says: openBracket, early: true},
		{begins: "did not find expected ','", says: openBracket, early: true},
		{begins: "found unexpected end of stream", says: openQuote},
		{begins: "found unexpected document indicator", says: openQuote},
		{begins: "found a tab character", says: tab},
		{begins: "found character that cannot start any token", says: "a value begins with a tab, '@', '`' or '%': indent with spaces, or put the value in quotes"},
		{begins: "control characters are not allowed", says: "control characters are not allowed: save the file as UTF-8 text"},
		{begins: "found undefined tag handle", says: badTag, early: true},
		{begins: "did not find expected tag URI", says: badTag},
		{begins: "did not find expected '!'", says: badTag},
		{begins: "did not find the expected '>'", says: badTag},
		{begins: "found duplicate %", says: badDirective, early: true},
		{begins: "found incompatible YAML document", says: badDirective, early: true},
		{begins: "found unknown directive name", says: badDirective},
		{begins: "could not find expected directive name", says: badDirective},
		{begins: "found unknown escape character", says: badEscape},
		{begins: "did not find expected hexdecimal number", says: badEscape},
		{begins: "found invalid Unicode character escape code", says: badEscape},
		{begins: "found an indentation indicator equal to 0", says: "an indentation indicator is 0: it must be 1 to 9"},
		{begins: "exceeded max depth", says: "values are nested too deeply: flatten them"},
		{begins: "invalid ", says: badCharacter},
		{begins: "incomplete ", says: badCharacter},
		{begins: "unexpected low surrogate", says: badCharacter},
	}
}

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// mistake turns the parser's error into one in our own words: what the parser
// says may quote the manifest, and a Secret with it.
func (p part) mistake(err error) error {
	text := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits; too many of them give the largest int, which Read caps
		text = text[len(m[0]):]
	}
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		line = p.lineWith("*" + m[1]) // the parser names none
	} else if strings.HasPrefix(text, "cannot decode") {
		line = p.lineWith("!!")
	}
	says := "this line or the one before it is not valid: correct it"
	for _, m := range mistakes() {
		if strings.HasPrefix(text, m.begins) {
			says = m.says
			if m.early && line > 0 {
				line = min(line, p.lastLine()) + 1
			}
			break
		}
	}
	return &lineError{line: max(line, 1), text: "the YAML cannot be read: " + says}
}

// lineWith returns the first line of the document, from 1, that holds a text; 0 for none.
func (p part) lineWith(text string) int {
	at := bytes.Index(p.text, []byte(text))
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(p.text[:at], []byte("\n"))
}
