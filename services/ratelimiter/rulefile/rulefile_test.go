package rulefile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

func read(t *testing.T, name string) []*Document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	documents, found := Read(name, data)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return documents
}

func lines(found Findings) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.String())
	}
	return all
}

func TestReadsTheFilesOfEnvoysRateLimiterUnchanged(t *testing.T) {
	documents := read(t, "readme.yaml")
	config, found := Build(documents)
	if len(found) > 0 {
		t.Fatal(found)
	}
	got := config.Match(nil, "shop", []rules.Entry{{Key: "message_type", Value: "marketing"}, {Key: "to_number", Value: "1"}})
	if len(got) != 1 || got[0].Limit.Requests != 5 || got[0].Limit.Period.Unit != "day" {
		t.Errorf("got %+v, want 5 a day", got)
	}
	got = config.Match(nil, "shop", []rules.Entry{{Key: "plan", Value: "free"}})
	if len(got) != 1 || got[0].Limit.Requests != 16 || got[0].Limit.Metadata["days"] != 30.0 {
		t.Errorf("got %+v, want 16 a year with its metadata", got)
	}
	for _, d := range Differences(documents) {
		if d.Severity == Difference && d.Path != "descriptors[7].metadata" {
			t.Errorf("%s: want none, but for the field that is new", d)
		}
	}
}

func TestReadsWhatMeshweirAdds(t *testing.T) {
	config, found := Build(read(t, "words.yaml"))
	if len(found) > 0 {
		t.Fatal(found)
	}
	got := config.Match(nil, "more", []rules.Entry{{Key: "user", Value: "u"}})
	if len(got) != 4 || got[0].Limit.Burst != 20 || got[1].Limit.OnError != "local" || !got[2].Limit.Period.Calendar() || got[3].Limit.Requests != 100 {
		t.Errorf("got %+v, want three limits of the rule and one of the set", got)
	}
	if got := config.Match(nil, "other", []rules.Entry{{Key: "web", Value: "1"}}); len(got) != 1 {
		t.Errorf("got %+v, want what the second document merges", got)
	}
}

func TestSaysWhereAMistakeIsAndHowToMendIt(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a field that nobody knows", "domain: d\ndescriptors:\n  - key: a\n    rate_limt: {unit: second}\n", `f:4:5: error: descriptors[0].rate_limt: no field is called so; did you mean "rate_limit"?`},
		{"camel case", "domain: d\ndescriptors:\n  - key: a\n    rateLimit: {unit: second}\n", `f:4:5: error: descriptors[0].rateLimit: no field is called so; did you mean "rate_limit"?`},
		{"a unit", "domain: d\ndescriptors:\n- key: a\n  rate_limit:\n    unit: minutes\n    requests_per_unit: 1\n", `f:5:11: error: descriptors[0].rate_limit.unit: "minutes" is none of second, minute, hour, day, week, month, year; did you mean "minute"?`},
		{"no unit", "domain: d\ndescriptors:\n- key: a\n  rate_limit:\n    requests_per_unit: 1\n", `f:5:5: error: descriptors[0].rate_limit.unit: a limit needs unit`},
		{"no domain", "descriptors: []\n", `f:1:1: error: domain: is missing`},
		{"no key", "domain: d\ndescriptors:\n- value: a\n", `f:3:3: error: descriptors[0].key: is missing`},
		{"a rule twice", "domain: d\ndescriptors:\n- {key: a, value: b}\n- {key: a, value: b}\n", `f:4:3: error: descriptors[1]: a=b has a rule above already`},
		{"a field twice", "domain: d\ndomain: e\n", `f:2:1: error: domain: is here twice, first in line 1`},
		{"a number in quotes", "domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: second, requests_per_unit: \"5\"}\n", `f:4:49: error: descriptors[0].rate_limit.requests_per_unit: want a whole number, without quotes`},
		{"a number that is too large", "domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: second, requests_per_unit: 4294967296}\n", `want a number from 0 to 4294967295`},
		{"a list that is none", "domain: d\ndescriptors: {key: a}\n", `f:2:14: error: descriptors: want a list`},
		{"unlimited with a unit", "domain: d\ndescriptors:\n- key: a\n  rate_limit: {unlimited: true, unit: second}\n", `descriptors[0].rate_limit.unit: goes without unlimited`},
		{"shared without a pattern", "domain: d\ndescriptors:\n- key: a\n  value: b\n  share_threshold: true\n", `f:5:20: error: descriptors[0].share_threshold: goes with a value that has a "*"`},
		{"no YAML", "domain: d\n descriptors: [\n", `f:2:1: error: this is no YAML`},
		{"nothing", "# nothing\n", `f: error: the file says nothing`},
		{"an item that is empty", "domain: d\ndescriptors:\n-\n", `f:3:2: error: descriptors[0]: the item is empty`},
		{"replacing itself", "domain: d\ndescriptors:\n- key: a\n  rate_limit: {name: x, unit: second, replaces: [{name: x}]}\n", `descriptors[0].rate_limit.replaces[0].name: "x" is a limit of the same rule`},
		{"an alias of itself", "domain: d\ndescriptors: &d\n- key: a\n  descriptors: *d\n", "an alias of something around it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			documents, found := Read("f", []byte(tt.in))
			if len(found) == 0 {
				_, found = Build(documents)
			}
			if len(found) == 0 || !strings.Contains(found[0].String(), tt.want) {
				t.Errorf("got %q, want %q", lines(found), tt.want)
			}
		})
	}
}

func TestWarnsOfReplacingNothing(t *testing.T) {
	documents, _ := Read("f", []byte("domain: d\ndescriptors:\n- key: a\n  rate_limit: {unit: second, replaces: [{name: burts}]}\n- key: b\n  rate_limit: {name: burst, unit: second}\n"))
	config, found := Build(documents)
	want := []string{`f:4:48: warning: descriptors[0].rate_limit.replaces[0].name: no limit of domain "d" is called "burts"; did you mean "burst"?`}
	if got := lines(found); config == nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFewAliasesDoNotMakeALargeFile(t *testing.T) {
	text := strings.Builder{}
	text.WriteString("domain: d\nmetadata: &m0 [x, x, x, x, x, x, x, x, x, x]\ndescriptors:\n- key: a\n  metadata:\n    m0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		before := "*a" + string(rune('0'+i))
		text.WriteString("    m" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat(before+", ", 9) + before + "]\n")
	}
	_, found := Read("f", []byte(text.String()))
	if !slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Message, "aliases make the file too large") }) {
		t.Errorf("got %q, want that it is too large", lines(found))
	}
}

func TestSaysWhatEnvoysRateLimiterWouldDoOtherwise(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"one name for two rules", "- {key: a_b, value: c}\n- {key: a, value: b_c}\n", `f:4:3: difference: descriptors[1]: envoyproxy/ratelimit joins key and value to "a_b_c"`},
		{"one counter for two rules", "- {key: k1, rate_limit: {unit: second}}\n- {key: k1, value: x, descriptors: [{key: k2, rate_limit: {unit: hour}}]}\n", `hits of descriptors[0] count here too (line 3)`},
		{"a field that it does not know", "- {key: a, rate_limit: {period: 30s}}\n", `f:3:33: difference: descriptors[0].rate_limit.period: envoyproxy/ratelimit does not know this field`},
		{"a wildcard in the middle", "- {key: a, value: x*y}\n", `takes a "*" that is not the last character as it is`},
		{"a key that ends with a star", "- {key: a*}\n", "takes this for a pattern"},
		{"a fraction", "- {key: a, value: 1.5}\n", "put it in quotes"},
		{"a week", "- {key: a, rate_limit: {unit: week}}\n", "f:3:31: hint: descriptors[0].rate_limit.unit: a week begins on Thursday"},
		{"another document", "---\ndomain: e\n", "reads only the first document"},
		{"another document of the domain", "---\ndomain: d\n", "f:4:9: difference: domain: envoyproxy/ratelimit refuses a domain in two documents"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			documents, found := Read("f", []byte("domain: d\ndescriptors:\n"+tt.in))
			if len(found) > 0 {
				t.Fatal(found)
			}
			if got := lines(Differences(documents)); !strings.Contains(strings.Join(got, "\n"), tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, alike := range []string{
		"- {key: k, value: a, rate_limit: {unit: second}}\n- {key: k, rate_limit: {unit: second}}\n- {key: j, rate_limit: {unit: second}}\n",
		"- {key: k, value: a, descriptors: [{key: x, rate_limit: {unit: second}}]}\n- {key: k, descriptors: [{key: x, rate_limit: {unit: hour}}]}\n",
	} {
		documents, _ := Read("f", []byte("domain: d\ndescriptors:\n"+alike))
		if got := lines(Differences(documents)); len(got) > 0 {
			t.Errorf("%s: got %q, want none", alike, got)
		}
	}
}

func TestPatternsMeet(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"a_*_", "a_*_b_*_", true},
		{"a_x_", "a_y_", false},
		{"a_*_", "b_*_", false},
		{"*b", "a*", true},
		{"", "*", true},
		{"", "a", false},
		{"a*c", "ab", false},
	}
	for _, tt := range tests {
		if got := meet(tt.a, tt.b); got != tt.want || meet(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: got %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"readme.yaml", "words.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("domain: d\ndescriptors: &d\n- key: a\n  <<: [*d]\n  descriptors: *d\n"))
	f.Add([]byte("domain: ~\nset_descriptors: [{entries: [{key: a}]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, found := Read("f", data)
		if len(documents) == 0 && len(found.Errors()) == 0 {
			t.Error("nothing was read, and nothing said")
		}
		config, findings := Build(documents)
		if (config == nil) != (len(findings.Errors()) > 0) {
			t.Errorf("got %v with %q", config, lines(findings))
		}
		_ = Differences(documents)
	})
}
