package manifest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(docs []Document) []string {
	var out []string
	for _, d := range docs {
		out = append(out, d.Object.GetKind()+"/"+d.Object.GetName())
	}
	return out
}

func TestReadsEveryFormOfManifest(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"one document", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", []string{"Service/a"}},
		{"no final newline", "apiVersion: v1\nkind: Service\nmetadata: {name: a}", []string{"Service/a"}},
		{"several documents", "---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\n---\n", []string{"A/a", "B/b"}},
		{"separator with comment", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n--- # next\napiVersion: v1\nkind: B\nmetadata: {name: b}\n", []string{"A/a", "B/b"}},
		{"content behind the separator", "--- {apiVersion: v1, kind: A, metadata: {name: a}}\n", []string{"A/a"}},
		{"Windows line ends and a byte order mark", "\ufeffapiVersion: v1\r\nkind: A\r\nmetadata: {name: a}\r\n---\r\napiVersion: v1\r\nkind: B\r\nmetadata: {name: b}\r\n", []string{"A/a", "B/b"}},
		{"directive and end mark", "%YAML 1.2\n---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n...\n", []string{"A/a"}},
		{"dashes inside of a text", "apiVersion: v1\nkind: A\nmetadata: {name: a}\ntext: |\n  ---\n  more\n", []string{"A/a"}},
		{"only comments", "# nothing\n---\n# here\n", nil},
		{"empty", "", nil},
		{"JSON with tabs", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n", []string{"A/a"}},
		{"JSON objects in a row, behind a byte order mark", "\ufeff" + `{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}} {"apiVersion":"v1","kind":"B","metadata":{"name":"b"}}`, []string{"A/a", "B/b"}},
		{"List", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n- apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: B, metadata: {name: b}}]\n", []string{"A/a", "B/b"}},
		{"typed list", "apiVersion: v1\nkind: ServiceList\nitems:\n- {metadata: {name: a}}\n", []string{"Service/a"}},
		{"empty List", "apiVersion: v1\nkind: List\nitems: []\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, problems := Read([]byte(tt.in))
			if len(problems) > 0 {
				t.Fatalf("got problems %v, want none", problems)
			}
			if diff := cmp.Diff(tt.want, names(docs)); diff != "" {
				t.Error("objects (-want +got):\n" + diff)
			}
		})
	}
}

func TestSaysWhereAndHowToMendWhatItCannotRead(t *testing.T) {
	const good = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n"
	tests := []struct {
		name, in       string
		line, document int
		message        string
	}{
		{"bad indentation", good + "---\n" + "apiVersion: v1\nkind: B\n metadata: {name: b}\n", 7, 1, "cannot be read"},
		{"tab", "apiVersion: v1\nkind: B\nmetadata:\n\tname: b\n---\n" + good, 4, 0, "cannot be read"},
		{"key twice", good + "---\napiVersion: v1\nkind: B\nkind: C\n", 7, 1, "a key is given twice"},
		{"a key too far to the left", good + "---\napiVersion: v1\nkind: B\nmetadata:\n    labels:\n      a: b\n  name: b\n", 10, 1, "indentation"},
		{"unknown anchor", good + "---\napiVersion: v1\nkind: B\ntext: *none\n", 7, 1, "an alias"},
		{"value that does not fit its tag", good + "---\napiVersion: v1\nkind: B\ntext: !!int none\n", 7, 1, "tag"},
		{"no kind", good + "---\nreplicas: 3\n", 5, 1, "has no apiVersion: add one"},
		{"kind is no text", good + "---\napiVersion: v1\nkind: [A]\n", 5, 1, "has no kind: add one"},
		{"a list", good + "---\n- a\n- b\n", 5, 1, "is a list, not an object"},
		{"plain text", "hello\n---\n" + good, 1, 0, "is plain text, not an object"},
		{"item of a List", good + "---\napiVersion: v1\nkind: List\nitems: [7]\n", 5, 1, "in a List: the object has no apiVersion"},
		{"unfinished JSON", good + "---\n{\"apiVersion\": \"v1\",\n", 5, 1, "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, problems := Read([]byte(tt.in))
			if diff := cmp.Diff([]string{"A/a"}, names(docs)); diff != "" && strings.Contains(tt.in, good) {
				t.Error("the good document (-want +got):\n" + diff)
			}
			if len(problems) != 1 {
				t.Fatalf("got problems %+v, want one", problems)
			}
			got := problems[0]
			if got.Line != tt.line || got.Document != tt.document || !strings.Contains(got.Message, tt.message) {
				t.Errorf("got %+v, want line %d, document %d and %q", got, tt.line, tt.document, tt.message)
			}
		})
	}
}

func TestProblemsQuoteNothingOfTheManifest(t *testing.T) {
	const canary = "CANARY"
	secret := "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: db\n  labels: {app: db}\nstringData:\n  user: admin\n  password: hunter\n"
	breaks := []string{
		"*CANARY", "!!int CANARY", "!!float CANARY", "!!bool CANARY", "!!timestamp CANARY", "!!binary CANARY%", "!CANARY!x y", "!<CANARY", "&CANARY *CANARY",
		"CANARY: CANARY: x", "CANARY\n CANARY: y", "CANARY\n- CANARY", "\n\tCANARY: x", "[CANARY", "{CANARY", "{CANARY: CANARY, CANARY: x}", "\"CANARY", "'CANARY",
		"\"CANARY\\q\"", "\"\\xCANARY\"", "%CANARY", "@CANARY", "`CANARY", "\x01CANARY", "CANARY\xff", "{[CANARY]: x}", "{{CANARY: x}: y}", "{<<: CANARY}", "? CANARY",
		"1e999 #CANARY", "|0\n CANARY", ">CANARY", "\nCANARY", "x\n%CANARY", "x\nCANARY: a\nCANARY: b", "x\nline 3: CANARY", "CANARY", "[CANARY]", "{? [CANARY] : CANARY}", "!!map CANARY", "!!seq CANARY",
	}
	broken := 0
	for at := range len(secret) + 1 {
		for _, b := range breaks {
			_, problems := Read([]byte(secret[:at] + b + secret[at:]))
			for _, p := range problems {
				broken++
				if strings.Contains(p.Message, canary) || strings.Contains(p.Message, "hunter") {
					t.Fatalf("got %+v for %q at %d, want nothing of the manifest", p, b, at)
				}
			}
		}
	}
	if broken < 1000 {
		t.Errorf("only %d were broken, the test says little", broken)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n--- \n- a\n"))
	f.Add([]byte("{\"apiVersion\":\"v1\",\"kind\":\"A\"}{}"))
	f.Add([]byte("a: &a [*a]\n---\n%YAML\n...\n--- |\n---"))
	f.Add([]byte("\ufeffkind: A\r\n---\r\nkind"))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, problems := Read(data)
		for _, d := range docs {
			if d.Object.GetKind() == "" || d.Object.GetAPIVersion() == "" {
				t.Errorf("object without kind or apiVersion: %v", d.Object)
			}
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Message == "" {
				t.Errorf("got %+v in a file of %d lines", p, lines)
			}
		}
	})
}
