package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const soundManifests = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: shop, name: public}
spec:
  gatewayClassName: meshweir
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: shop.example.com}
`

// translateFrom runs `meshweir translate` with something on standard input.
func translateFrom(t *testing.T, input string, wantCode int, args ...string) (out, notes string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	var code int
	cmd := translateCommand(&code)
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(input))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	if err := cmd.ExecuteContext(t.Context()); err != nil || code != wantCode {
		t.Fatalf("translate %v: exit code %d, %v, want %d:\n%s", args, code, err, wantCode, &stderr)
	}
	return stdout.String(), stderr.String()
}

func TestTranslateReadsAFolderAFileAndStandardInput(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"fleet/east/gateway.yaml", "one/gateway.yaml"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(soundManifests), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, notes := translateFrom(t, "", 1, "-f", filepath.Join(dir, "fleet"))
	if !strings.Contains(notes, "east/gateway.yaml:") || !strings.Contains(notes, "Programmed=False") {
		t.Errorf("of a Gateway that selects no workload: got %q, want a finding with its file and line", notes)
	}
	for _, name := range []string{"63", ".gateway.yaml", "gateway.yaml.tmpl"} { // 63 as of /dev/fd/63, which a shell makes of <(…)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(soundManifests), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"a pipe":             {"-f", filepath.Join(dir, "63"), "--cluster", "east"},
		"a hidden file":      {"-f", filepath.Join(dir, ".gateway.yaml"), "--cluster", "east"},
		"a file of any name": {"-f", filepath.Join(dir, "gateway.yaml.tmpl"), "--cluster", "east"},
		"one folder":         {"-f", filepath.Join(dir, "one"), "--cluster", "east"},
		"one file":           {"-f", filepath.Join(dir, "one/gateway.yaml"), "--cluster", "east"},
		"standard input":     {"-f", "-", "--cluster", "east"},
	} {
		if got, _ := translateFrom(t, soundManifests, 1, args...); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	translateFrom(t, "", 1, "-f", filepath.Join(dir, "fleet"), "-o", filepath.Join(dir, "out"))
	if files, err := filepath.Glob(filepath.Join(dir, "out/east/*.yaml")); strings.Count(want, "---\n") != len(files) || err != nil {
		t.Errorf("in the folder: got %q, %v, want a file for each of\n%s", files, err, want)
	}
}

func TestTranslateSaysWhatIsWrongWithTheCall(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "mixed/east"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mixed/a.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"give -f PATH":               nil,
		"no such file or directory":  {"-f", filepath.Join(dir, "gone")},
		"name that by --cluster":     {"-f", filepath.Join(dir, "mixed", "east")},
		"lies beside the folders of": {"-f", filepath.Join(dir, "mixed")},
	} {
		if _, notes := translateFrom(t, "", 2, args...); !strings.Contains(notes, want) {
			t.Errorf("%v: got %q, want %q", args, notes, want)
		}
	}
}
