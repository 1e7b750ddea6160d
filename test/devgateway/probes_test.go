package devgateway_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/services/devgateway/routing"
)

// notFound is the answer where nothing takes a request.
const notFound = "404"

const golden = "../../services/translator/testdata"

// readYAML reads a file into what v points to.
func readYAML(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compileGolden compiles each cluster of a golden output.
func compileGolden(t *testing.T, name string) map[string]*routing.Cluster {
	t.Helper()
	var out map[string]struct {
		Objects map[string]json.RawMessage `json:"objects"`
	}
	readYAML(t, filepath.Join(golden, name, "out.yaml"), &out)
	compiled := map[string]*routing.Cluster{}
	for cluster, has := range out {
		var objects []routing.Object
		for key, value := range has.Objects {
			o, err := routing.Decode(key, value)
			if err != nil || o.Err != nil {
				t.Fatalf("%s: %v, %v", key, err, o.Err)
			}
			objects = append(objects, o)
		}
		compiled[cluster] = routing.Compile(routing.Config{Log: slog.New(slog.DiscardHandler), Cluster: cluster}, objects)
	}
	return compiled
}

// TestAnswersAsIstioWould asks the golden outputs what test/istio asks istiod's code: both must say the same.
func TestAnswersAsIstioWould(t *testing.T) {
	var probes map[string]map[string][][]string
	readYAML(t, "../istio/testdata/probes.yaml", &probes)
	asked := 0
	for name, clusters := range probes {
		compiled := compileGolden(t, name)
		for cluster, pairs := range clusters {
			for _, pair := range pairs {
				if strings.Contains(pair[1], " try ") || pair[1] == "no listener matched" {
					continue // retries are not executed, and all ports are one
				}
				want := strings.ReplaceAll(pair[len(pair)-1], "%%", "%") // where istiod is known to be wrong, the third counts
				if want == "no filter chains matched" {
					want = notFound // the gateway has a certificate for every name
				}
				asked++
				if got := ask(t, compiled[cluster], pair[0]); got != want {
					t.Errorf("%s, %s: %s\n got %s\nwant %s", name, cluster, pair[0], got, want)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("asked %d probes alone", asked)
	}
}

// TestGoldenOutputsAreExecutedOrTold compiles all of them: what is not executed is of a kind that is known.
func TestGoldenOutputsAreExecutedOrTold(t *testing.T) {
	folders, err := filepath.Glob(golden + "/*/out.yaml")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	known := []string{
		"spec.gateways", "spec.trafficPolicy", "spec.workloadSelector", "tls.mode", "port.protocol", "retries", "subset",
	}
	for _, file := range folders {
		for _, c := range compileGolden(t, filepath.Base(filepath.Dir(file))) {
			for _, note := range c.Notes {
				if !slices.ContainsFunc(known, func(part string) bool { return strings.Contains(note.Field, part) }) {
					t.Errorf("%s: %+v", file, note)
				}
			}
		}
	}
}

// ask returns the answer to a request, in the words of test/istio/testdata/probes.yaml.
func ask(t *testing.T, cluster *routing.Cluster, text string) string {
	t.Helper()
	words := strings.Fields(text)
	target, err := url.Parse(words[1])
	if err != nil {
		t.Fatal(err)
	}
	request := &routing.Request{
		TLS: target.Scheme == "https", ServerName: target.Hostname(), Authority: target.Host, Host: strings.ToLower(target.Hostname()),
		Method: words[0], Path: target.EscapedPath(), Query: target.RawQuery, Header: http.Header{},
	}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, ":")
		if name == "SNI" {
			request.ServerName = value
			continue
		}
		request.Header.Add(name, value)
	}
	if _, port, err := net.SplitHostPort(target.Host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		request.Port = uint32(n)
	}
	found, _ := routing.Find([]*routing.Cluster{cluster}, request)
	if found.Route == nil {
		return notFound
	}
	return answer(found.Route, request)
}

func answer(r *routing.Route, request *routing.Request) string {
	switch {
	case r.Direct != nil:
		return join(strconv.Itoa(r.Direct.Status), headers(r.Headers))
	case r.Redirect != nil:
		return join(fmt.Sprintf("%d %s", r.Redirect.Code, r.Redirect.Location(request)), headers(r.Headers))
	}
	var parts []string
	if r.Abort != nil {
		parts = append(parts, fmt.Sprintf("%s %d", share(r.Abort.Percent), r.Abort.Status))
	}
	for _, b := range r.Backends {
		text := short(b.Destination)
		if len(r.Backends) > 1 {
			text = fmt.Sprintf("%d %s", b.Weight, text)
		}
		parts = append(parts, join(text, headers(b.Headers)))
	}
	for _, m := range r.Mirrors {
		parts = append(parts, "mirror "+share(m.Percent)+" "+short(m.Destination))
	}
	text := strings.Join(parts, ", ")
	if path := r.Rewrite(request.Path); path != request.Path {
		text += " path " + path
	}
	if r.Authority != "" {
		text += " host " + r.Authority
	}
	if r.Timeout > 0 {
		text += " timeout " + r.Timeout.String()
	}
	return join(text, headers(r.Headers))
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}

func short(d routing.Destination) string {
	return fmt.Sprintf("%s:%d", strings.TrimSuffix(d.Host, ".svc.cluster.local"), d.Port)
}

// share is in millionths, finer than which Envoy cannot split.
func share(percent float64) string {
	return strconv.FormatFloat(float64(int64(percent*10_000))/10_000, 'f', -1, 64) + "%"
}

func headers(h routing.Headers) string {
	text := join(changes("request", h.Request), changes("response", h.Response))
	if text == "" {
		return ""
	}
	return "{" + text + "}"
}

func changes(of string, c routing.Changes) string {
	var parts []string
	for name, value := range c.Set {
		parts = append(parts, fmt.Sprintf("%s set %s=%s", of, http.CanonicalHeaderKey(name), value))
	}
	for name, value := range c.Add {
		parts = append(parts, fmt.Sprintf("%s add %s=%s", of, http.CanonicalHeaderKey(name), value))
	}
	for _, name := range c.Remove {
		parts = append(parts, fmt.Sprintf("%s remove %s", of, http.CanonicalHeaderKey(name)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
