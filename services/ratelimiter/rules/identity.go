package rules

import (
	"errors"
	"strconv"
	"strings"
)

// AppendIdentity appends what identifies the counter of a limit that was met: no two counters have the same, as each
// part goes with its length.
func (m Met) AppendIdentity(dst []byte) []byte {
	dst = appendPart(dst, m.Limit.Domain)
	dst = appendPart(dst, m.Limit.ID)
	for _, e := range m.Counter {
		dst = appendPart(dst, e.Key)
		dst = appendPart(dst, e.Value)
	}
	return dst
}

// appendPart writes a text as a netstring does (https://cr.yp.to/proto/netstrings.txt).
func appendPart(dst []byte, text string) []byte {
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, ':')
	dst = append(dst, text...)
	return append(dst, ',')
}

// ParseIdentity reads what [Met.AppendIdentity] wrote: the domain, the limit's ID, and the entries that are counted.
func ParseIdentity(text string) (domain, id string, counter []Entry, err error) {
	var parts []string
	for text != "" {
		digits, rest, found := strings.Cut(text, ":")
		length, bad := strconv.ParseUint(digits, 10, 31)
		if !found || bad != nil || uint64(len(rest)) <= length || rest[length] != ',' ||
			digits != strconv.FormatUint(length, 10) {
			return "", "", nil, errors.New("reading a counter's identity: it is cut, or another program wrote it")
		}
		parts, text = append(parts, rest[:length]), rest[length+1:]
	}
	if len(parts) < 2 || len(parts)%2 != 0 {
		return "", "", nil, errors.New("reading a counter's identity: it has no domain and limit, or half an entry")
	}
	for i := 2; i < len(parts); i += 2 {
		counter = append(counter, Entry{parts[i], parts[i+1]})
	}
	return parts[0], parts[1], counter, nil
}

// level is one entry of a rule, as the rule's name shows it.
type level struct {
	key, value string
	show       bool // the value of the call instead: value_to_metric
}

// AppendRule appends the name of the rule, with the values of the call where the rule asks for them. Their number has
// no bound: who makes series of it must set one.
func (m Met) AppendRule(dst []byte) []byte {
	for i, l := range m.Limit.levels {
		value := l.value
		if (m.Limit.detailed || l.show) && i < len(m.Counter) {
			value = m.Counter[i].Value
		}
		if i > 0 {
			dst = append(dst, " > "...)
		}
		dst = append(dst, l.key...)
		if value != "" {
			dst = append(append(dst, '='), value...)
		}
	}
	return dst
}

// Detailed says whether [Met.AppendRule] has more to say than the limit's Rule.
func (l *Limit) Detailed() bool {
	if l.detailed {
		return true
	}
	for _, level := range l.levels {
		if level.show {
			return true
		}
	}
	return false
}
