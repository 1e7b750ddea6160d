package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// vary returns variants of the whole recording. Within one variant a word, an
// address or a hash becomes the same other one wherever it stands, so that
// objects still refer to each other; between two variants nothing that was the
// recording's own stays the same.
func vary(values [][]byte, variants int) ([][]byte, error) {
	parsed := make([]any, len(values))
	own := map[string]bool{}
	for i, value := range values {
		decoder := json.NewDecoder(bytes.NewReader(value))
		decoder.UseNumber()
		if err := decoder.Decode(&parsed[i]); err != nil {
			return nil, fmt.Errorf("reading sample %d: %w", i+1, err)
		}
		learn(own, parsed[i])
	}
	all := make([][]byte, 0, variants*len(values))
	for seed := range variants {
		v := variant{own: own, random: rand.New(rand.NewPCG(uint64(seed), 0)), instead: map[string]string{}}
		for _, value := range parsed {
			b, err := json.Marshal(v.value("", value))
			if err != nil {
				return nil, fmt.Errorf("writing a variant: %w", err)
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// token matches, in this order, a UUID, a time, an IPv4 address, a word with digits or without, and a number.
var token = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\d{1,3}(?:\.\d{1,3}){3}|[0-9]*[A-Za-z][A-Za-z0-9]*|\d+`)

// hash matches what Kubernetes puts behind names, and hexadecimal digests.
var hash = regexp.MustCompile(`^(?:[bcdfghjklmnpqrstvwxz2-9]{5,10}|[0-9a-f]{8,})$`)

// learn adds the words that a value's author chose: those of its names, but for words that the names of every fleet have.
func learn(own map[string]bool, value any) {
	switch value := value.(type) {
	case map[string]any:
		for field, of := range value {
			if text, ok := of.(string); ok && isName(field) {
				for _, word := range token.FindAllString(text, -1) {
					own[word] = own[word] || len(word) > 2 && !isEverywhere(word)
				}
			}
			learn(own, of)
		}
	case []any:
		for _, of := range value {
			learn(own, of)
		}
	}
}

func isName(field string) bool {
	switch field {
	case "name", "namespace", "image", "hostname", "host", "app", "serviceAccountName", "nodeName", "meshweir.io/file", "meshId":
		return true
	}
	return false
}

const everywhere = ` api apps canary cluster default discovery dns docker eastwest eastwestgateway egressgateway envoy gateway global grpc
	health http http2 https ingress ingressgateway init injector istio istiod kube kubernetes local mesh meshweir metrics monitoring
	namespace node object pilot port prod prom prometheus proxy proxyv2 public rev revision service sidecar staging status svc system tcp
	tls v1 v1alpha1 v1alpha3 v1beta1 v2 v3 validation validator webhook worker xds yaml `

func isEverywhere(word string) bool {
	return strings.Contains(strings.ReplaceAll(everywhere, "\n\t", " "), " "+strings.ToLower(word)+" ")
}

// isForm reports whether a field's value belongs to the form of an object: a constant of an API.
func isForm(field string) bool {
	switch field {
	case "apiVersion", "kind", "type", "reason", "protocol", "addressType", "mode", "group":
		return true
	}
	return false
}

// isPort reports whether a field is a port's number: fleets share those.
func isPort(field string) bool {
	return field == "number" || strings.HasSuffix(strings.ToLower(field), "port")
}

type variant struct {
	own    map[string]bool
	random *rand.Rand
	// instead holds what stands for what of the recording.
	instead map[string]string
}

func (v variant) value(field string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		varied := make(map[string]any, len(value))
		for _, field := range slices.Sorted(maps.Keys(value)) {
			varied[field] = v.value(field, value[field])
		}
		return varied
	case []any:
		varied := make([]any, len(value))
		for i, of := range value {
			varied[i] = v.value(field, of)
		}
		return varied
	case string:
		if isForm(field) {
			return value
		}
		return token.ReplaceAllStringFunc(value, v.token)
	case json.Number:
		if isPort(field) {
			return value
		}
		return json.Number(v.token(value.String()))
	}
	return value
}

// token returns what stands for a word, an address or a number in this variant.
func (v variant) token(text string) string {
	if other, ok := v.instead[text]; ok {
		return other
	}
	const digits, letters, names = "0123456789", "0123456789abcdef", "bcdfghjklmnpqrstvwxz2456789"
	other := text
	switch {
	case strings.ContainsAny(text, "-:"): // a UUID, or a time
		other = v.fill(text, letters)
		if strings.Contains(text, "T") {
			other = fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d", 24+v.random.IntN(6), 1+v.random.IntN(12), 1+v.random.IntN(28), v.random.IntN(24), v.random.IntN(60), v.random.IntN(60))
		}
	case strings.Contains(text, "."):
		other = fmt.Sprintf("10.%d.%d.%d", v.random.IntN(256), v.random.IntN(256), 1+v.random.IntN(254))
	case strings.Trim(text, digits) == "":
		other = v.fill(text, digits)
		if len(text) > 1 && other[0] == '0' {
			other = "1" + other[1:]
		}
	case isEverywhere(text):
	case hash.MatchString(text) && strings.Trim(text, "0123456789abcdef") == "":
		other = v.fill(text, letters)
	case hash.MatchString(text):
		other = v.fill(text, names)
	case v.own[text]:
		other = v.word()
	}
	v.instead[text] = other
	return other
}

// fill replaces all but the punctuation by characters of an alphabet.
func (v variant) fill(text, alphabet string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("-:.", c) {
			return c
		}
		return rune(alphabet[v.random.IntN(len(alphabet))])
	}, text)
}

// word returns a word that can be pronounced and that nobody uses.
func (v variant) word() string {
	const consonants, vowels = "bcdfghjklmnprstvz", "aeiou"
	var b strings.Builder
	for range 2 + v.random.IntN(3) {
		b.WriteByte(consonants[v.random.IntN(len(consonants))])
		b.WriteByte(vowels[v.random.IntN(len(vowels))])
	}
	if v.random.IntN(2) == 0 {
		b.WriteByte(consonants[v.random.IntN(len(consonants))])
	}
	return b.String()
}
