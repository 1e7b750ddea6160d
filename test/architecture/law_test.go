package architecture

import (
	"slices"
	"strings"
	"testing"
)

// TestEveryImportKeepsTheLaw puts each import of the repository to [verdict].
func TestEveryImportKeepsTheLaw(t *testing.T) {
	for _, s := range readTree(t).sources(t) {
		for _, spec := range s.file.Imports {
			if reason := verdict(s.folder(), s.isTest(), quoted(t, spec.Path)); reason != "" {
				t.Errorf("%s: imports %s: %s", s.at(spec), spec.Path.Value, reason)
			}
		}
	}
}

// verdict says why a file in a folder of the repository may not import a
// package, or nothing when it may.
func verdict(folder string, test bool, imported string) string {
	if room, ours := strings.CutPrefix(imported+"/", module+"/"); ours {
		return roomVerdict(folder, test, strings.TrimSuffix(room, "/"))
	}
	if imported == "testing" && !test && !within(folder, "pipeline/pipelinetest") {
		return "only tests and pipelinetest import it"
	}
	for _, law := range foreignLaws() {
		if within(imported, law.imported...) && !law.allows(folder) {
			return law.reason
		}
	}
	return ""
}

// roomVerdict judges an import of another package of the repository.
func roomVerdict(folder string, test bool, imported string) string {
	if within(imported, "pipeline/pipelinetest") && !test && !within(folder, "pipeline/pipelinetest", "test") {
		return "only tests import it"
	}
	room, rest, _ := strings.Cut(folder, "/")
	var allowed []string
	var reason string
	switch room {
	case "schemas":
		allowed, reason = []string{"schemas"}, "schemas import no room"
	case "pipeline":
		allowed, reason = []string{"pipeline", "schemas/events"}, "of the rooms, pipeline imports schemas/events only"
	case "services":
		name, _, _ := strings.Cut(rest, "/")
		if name == "cmd" {
			allowed, reason = []string{"pipeline", "schemas", "services", "deploy"}, "programs import what ships only"
			break
		}
		allowed, reason = []string{"pipeline", "schemas", "deploy/k8s/crds", "services/" + name}, "services meet only in Redis: one imports pipeline, schemas and itself"
	case "deploy":
		allowed, reason = []string{"deploy", "schemas"}, "what is deployed imports schemas only"
	case "test":
		return ""
	default:
		return "the law knows no room " + room
	}
	if test {
		allowed = append(allowed, "deploy") // its demo clusters are the test data of all
	}
	if within(imported, allowed...) {
		return ""
	}
	return reason
}

// foreignLaw says where packages of other modules may be imported.
type foreignLaw struct {
	imported []string
	folders  []string // the only ones that may
	except   []string // these may not; used instead of folders
	reason   string
}

func (l foreignLaw) allows(folder string) bool {
	if l.folders != nil {
		return within(folder, l.folders...)
	}
	return !within(folder, l.except...)
}

func foreignLaws() []foreignLaw {
	return []foreignLaw{
		{
			imported: []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
			folders:  []string{"services/agent", "services/cmd", "test"},
			reason:   "only the agent and the programs talk to a cluster",
		}, {
			imported: []string{"github.com/envoyproxy", "github.com/cncf/xds"},
			folders:  []string{"services/extauth", "services/ratelimiter", "services/translator", "services/devgateway", "test"},
			reason:   "Envoy's protos are for who serves Envoy, renders its configuration or stands in for it",
		}, {
			imported: []string{"istio.io/istio"},
			folders:  []string{},
			reason:   "Istio's own code stays in nested modules",
		}, {
			imported: []string{"github.com/prometheus/prometheus"},
			folders:  []string{},
			reason:   "Prometheus' own code stays in nested modules",
		}, {
			imported: []string{"k8s.io", "istio.io", "sigs.k8s.io/gateway-api"},
			except:   []string{"pipeline"},
			reason:   "pipeline knows no word of the services' domain",
		}, {
			imported: []string{"github.com/redis/go-redis", "github.com/ThreeDotsLabs"},
			except:   []string{"schemas"},
			reason:   "schemas are plain types",
		}, {
			imported: []string{"github.com/open-policy-agent"},
			folders:  []string{"services/extauth/opa"},
			reason:   "OPA stands in one package",
		}, {
			imported: []string{"github.com/go-ldap"},
			folders:  []string{"services/extauth/ldap"},
			reason:   "LDAP stands in one package",
		},
	}
}

// within says whether a path is one of the folders, or below one.
func within(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

func TestLawDecides(t *testing.T) {
	const test, shipped = true, false
	tests := []struct {
		name     string
		folder   string
		test     bool
		imported string
		want     bool
	}{
		{"a service imports pipeline", "services/agent", shipped, module + "/pipeline/keyspace", true},
		{"a service imports schemas", "services/agent/snapshot", shipped, module + "/schemas/resource", true},
		{"a service imports the definitions of schemas", "services/agent/strict", shipped, module + "/deploy/k8s/crds", true},
		{"a service imports itself", "services/agent", shipped, module + "/services/agent/folder", true},
		{"a service imports a service", "services/agent", shipped, module + "/services/translator", false},
		{"a service's test imports a service", "services/agent", test, module + "/services/translator/output", false},
		{"a service imports one whose name begins as its own", "services/ui", shipped, module + "/services/uix", false},
		{"a service imports what is deployed", "services/ui", shipped, module + "/deploy/compose/demo", false},
		{"a service's test imports what is deployed", "services/ui/web", test, module + "/deploy/compose/demo", true},
		{"a service imports the programs", "services/agent", shipped, module + "/services/cmd/launch", false},
		{"a program imports services", "services/cmd/meshweir", shipped, module + "/services/ui", true},
		{"a program imports what is deployed", "services/cmd/meshweir", shipped, module + "/deploy/compose/demo", true},
		{"a program imports tests", "services/cmd/meshweir", shipped, module + "/test/parts", false},
		{"pipeline imports events", "pipeline/keyspace", shipped, module + "/schemas/events", true},
		{"pipeline imports other schemas", "pipeline/keyspace", test, module + "/schemas/resource", false},
		{"pipeline imports a service", "pipeline/keyspace", test, module + "/services/agent", false},
		{"pipeline imports Kubernetes", "pipeline/keyspace", shipped, "k8s.io/apimachinery/pkg/labels", false},
		{"schemas import schemas", "schemas/v1alpha1", shipped, module + "/schemas/resource", true},
		{"schemas import pipeline", "schemas/events", test, module + "/pipeline/keyspace", false},
		{"schemas import Redis", "schemas/events", shipped, "github.com/redis/go-redis/v9", false},
		{"what is deployed imports a service", "deploy/compose/demo", test, module + "/services/agent", false},
		{"the whole is tested", "test/faults", test, module + "/services/agent", true},
		{"pipelinetest in a test", "services/agent", test, module + "/pipeline/pipelinetest", true},
		{"pipelinetest in a program", "services/cmd/meshweir", shipped, module + "/pipeline/pipelinetest", false},
		{"pipelinetest in the list of parts", "test/parts", shipped, module + "/pipeline/pipelinetest/part", true},
		{"testing in a service", "services/agent", shipped, "testing", false},
		{"testing in pipelinetest", "pipeline/pipelinetest", shipped, "testing", true},
		{"the agent talks to a cluster", "services/agent/kubernetes", shipped, "k8s.io/client-go/informers", true},
		{"the translator talks to a cluster", "services/translator", shipped, "k8s.io/client-go/rest", false},
		{"extauth serves Envoy", "services/extauth", shipped, "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3", true},
		{"the ui knows Envoy", "services/ui", shipped, "github.com/envoyproxy/go-control-plane/envoy/type/v3", false},
		{"Istio's code", "test/faults", test, "istio.io/istio/pkg/config", false},
		{"Prometheus' code", "test/faults", test, "github.com/prometheus/prometheus/promql", false},
		{"Prometheus' client", "pipeline/telemetry", shipped, "github.com/prometheus/client_golang/prometheus", true},
		{"Istio's API", "services/translator", shipped, "istio.io/api/networking/v1", true},
		{"OPA beside its package", "services/extauth", shipped, "github.com/open-policy-agent/opa/v1/rego", false},
		{"a room that nobody agreed on", "internal/strings", shipped, module + "/schemas/events", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if reason := verdict(tt.folder, tt.test, tt.imported); (reason == "") != tt.want {
				t.Errorf("%s imports %s: got %q, want allowed: %t", tt.folder, tt.imported, reason, tt.want)
			}
		})
	}
}
