// Package part finds the real programs that some tests run against: a Redis
// server, an API server, a browser. A part that is not there leaves its tests
// out, unless MESHWEIR_REQUIRE names it: then it is an error.
//
// A part is looked for at the path that MESHWEIR_PART_<NAME> holds, then where
// `go run ./test/parts -build` puts what it builds, then on the PATH, then in the
// folders that its makers install it to.
package part

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RequireVariable is the environment variable that lists the parts that must be
// there, separated by commas.
const RequireVariable = "MESHWEIR_REQUIRE"

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)+(-[0-9]{14}-[0-9a-f]{12})?`)

// Part is a program that tests may use.
type Part struct {
	// Name is what MESHWEIR_REQUIRE calls it.
	Name string
	// For says which tests use it.
	For string
	// Get says how to get it.
	Get string
	// Source says what it is built from; nil when this repository does not build it.
	Source *Source

	programs []string // names to look for, best first
	folders  []string // where to look besides the PATH; may hold $VARIABLES
	version  []string // arguments that make it print its version
}

// Found is a part on this machine.
type Found struct {
	// Path is the program's path.
	Path string
	// Version is the number that it prints of its version: "7.0.15", or a pseudo-version of Go's.
	Version string
}

// All returns every part that a test can require, by name.
func All() []Part {
	kubebuilder := []string{"$KUBEBUILDER_ASSETS", "/usr/local/kubebuilder/bin"}
	const build = "go run ./test/parts -build "
	kubernetes := func(program string) *Source {
		const version = "-X k8s.io/component-base/version."
		return &Source{
			Folder: "test/kube", Module: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/" + program,
			Link: version + "gitVersion=v$VERSION " + version + "gitMajor=$MAJOR " + version + "gitMinor=$MINOR",
		}
	}
	return []Part{
		{
			Name: "chromium", For: "pages in a browser", Get: "apt-get install chromium",
			programs: []string{"chromium", "chromium-browser", "google-chrome"}, version: []string{"--version"},
		},
		{
			Name: "docker", For: "images and deploy/compose", Get: "install Docker Engine and start it: a client alone is not enough",
			programs: []string{"docker"}, version: []string{"version", "--format", "{{.Server.Version}}"},
		},
		{
			Name: "etcd", For: "a real API server", Get: build + "etcd",
			Source:   &Source{Folder: "test/kube", Module: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3"},
			programs: []string{"etcd"}, folders: kubebuilder, version: []string{"--version"},
		},
		{
			Name: "istiod", For: "outputs followed to a proxy", Get: build + "istiod",
			Source: &Source{
				Folder: "test/istio", Module: "istio.io/istio", Package: "istio.io/istio/pilot/cmd/pilot-discovery",
				Link: "-X istio.io/istio/pkg/version.buildVersion=$VERSION",
			},
			programs: []string{"pilot-discovery"}, version: []string{"version", "--short"},
		},
		{
			Name: "jaeger", For: "a change's trace, read back", Get: build + "jaeger",
			Source: &Source{
				Folder: "test/jaeger", Module: "github.com/jaegertracing/jaeger", Package: "github.com/jaegertracing/jaeger/cmd/jaeger",
				Link: "-X github.com/jaegertracing/jaeger/internal/version.latestVersion=v$VERSION",
			},
			programs: []string{"jaeger"}, version: []string{"version"},
		},
		{
			Name: "kube-apiserver", For: "a real API server", Get: build + "kube-apiserver",
			Source:   kubernetes("kube-apiserver"),
			programs: []string{"kube-apiserver"}, folders: kubebuilder, version: []string{"--version"},
		},
		{
			Name: "kube-controller-manager", For: "a real API server whose Deployments get Pods", Get: build + "kube-controller-manager",
			Source:   kubernetes("kube-controller-manager"),
			programs: []string{"kube-controller-manager"}, version: []string{"--version"},
		},
		{
			Name: "kubectl", For: "shipped manifests on a real API server", Get: build + "kubectl",
			Source:   kubernetes("kubectl"),
			programs: []string{"kubectl"}, folders: kubebuilder, version: []string{"version", "--client"},
		},
		{
			Name: "redis", For: "the pipeline on a real Redis, alone, as a Cluster and under Sentinel", Get: "apt-get install redis-server, brew install redis",
			programs: []string{"redis-server"}, version: []string{"--version"},
		},
		{
			Name: "valkey", For: "the pipeline on Valkey, the other implementation of Redis", Get: "apt-get install valkey-server (Debian 13 or bookworm-backports), brew install valkey",
			programs: []string{"valkey-server"}, version: []string{"--version"},
		},
	}
}

// ByName returns the part with that name.
func ByName(name string) (Part, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	return Part{}, fmt.Errorf("finding part %q: there is none of that name; the parts are %s", name, strings.Join(Names(), ", "))
}

// Names returns the name of every part, sorted.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// Variable is the environment variable that says where the part is.
func (p Part) Variable() string {
	return "MESHWEIR_PART_" + strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))
}

// Find looks for the part and asks its version. The error says what was
// missing, not how to get it.
func (p Part) Find(ctx context.Context) (Found, error) {
	path, err := p.look()
	if err != nil {
		return Found{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var said strings.Builder
	cmd := exec.CommandContext(ctx, path, p.version...)
	cmd.Stderr = &said // not part of the version: Debian's chromium is a script that grumbles
	out, err := cmd.Output()
	if err != nil {
		return Found{}, fmt.Errorf("asking %s for its version: %w: %s", path, err, strings.TrimSpace(said.String()))
	}
	number := versionNumber.Find(out)
	if number == nil {
		return Found{}, fmt.Errorf("asking %s for its version: no number in %q", path, out)
	}
	return Found{Path: path, Version: string(number)}, nil
}

func (p Part) look() (string, error) {
	if path := os.Getenv(p.Variable()); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("looking where %s says: %w", p.Variable(), err)
		}
		return path, nil
	}
	if p.Source != nil {
		// What is pinned goes before what the machine happens to have.
		if built, err := p.Built(); err == nil {
			if path, err := exec.LookPath(built.Path); err == nil {
				return path, nil
			}
		}
	}
	for _, program := range p.programs {
		if path, err := exec.LookPath(program); err == nil {
			return path, nil
		}
		for _, folder := range p.folders {
			if folder = os.ExpandEnv(folder); folder == "" {
				continue
			}
			if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("looking for %s: not on the PATH", strings.Join(p.programs, " or "))
}

// Required returns the names that MESHWEIR_REQUIRE lists. A name that is no
// part is an error: a test that nobody runs must not look required.
func Required() ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(os.Getenv(RequireVariable), ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if _, err := ByName(name); err != nil {
			return nil, fmt.Errorf("reading %s: %w", RequireVariable, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
