package deploy

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// built is what kustomize makes of a folder.
type built struct {
	text      string
	kinds     []string // "Kind name", in their order
	workloads []workload
	policies  []networkingv1.NetworkPolicy
	services  []corev1.Service
	budgets   []policyv1.PodDisruptionBudget
	accounts  []corev1.ServiceAccount
}

// workload is a Deployment or a StatefulSet.
type workload struct {
	name     string
	replicas int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	claims   []string // volumes that a StatefulSet makes
}

// build builds a folder below deploy/k8s.
func build(t *testing.T, folder string) built {
	t.Helper()
	return buildIn(t, filepath.Join(root, "deploy/k8s"), folder)
}

// buildIn builds a folder of a copy of deploy/k8s.
func buildIn(t *testing.T, k8s, folder string) built {
	t.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(k8s, folder))
	if err != nil {
		t.Fatalf("building deploy/k8s/%s: %v", folder, err)
	}
	var b built
	text, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	b.text = string(text)
	for _, r := range result.Resources() {
		b.kinds = append(b.kinds, r.GetKind()+" "+r.GetName())
		document, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		switch r.GetKind() {
		case "Deployment":
			d := decode[appsv1.Deployment](t, document)
			b.workloads = append(b.workloads, workload{d.Name, *d.Spec.Replicas, d.Spec.Selector, d.Spec.Template, nil})
		case "StatefulSet":
			s := decode[appsv1.StatefulSet](t, document)
			w := workload{s.Name, *s.Spec.Replicas, s.Spec.Selector, s.Spec.Template, nil}
			for _, claim := range s.Spec.VolumeClaimTemplates {
				w.claims = append(w.claims, claim.Name)
			}
			b.workloads = append(b.workloads, w)
		case "NetworkPolicy":
			b.policies = append(b.policies, decode[networkingv1.NetworkPolicy](t, document))
		case "Service":
			b.services = append(b.services, decode[corev1.Service](t, document))
		case "PodDisruptionBudget":
			b.budgets = append(b.budgets, decode[policyv1.PodDisruptionBudget](t, document))
		case "ServiceAccount":
			b.accounts = append(b.accounts, decode[corev1.ServiceAccount](t, document))
		}
		if r.GetNamespace() != "meshweir" && r.GetNamespace() != "" {
			t.Errorf("%s: %s %s is in the namespace %q", folder, r.GetKind(), r.GetName(), r.GetNamespace())
		}
	}
	return b
}

// decode reads a manifest as its Go type, and no field that this does not have.
func decode[T any](t *testing.T, document []byte) (object T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, &object); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return object
}

// overlays are what can be applied, as docs/install.md says.
func overlays() []string {
	return []string{"overlays/single", "overlays/management", "overlays/workload"}
}

// with builds an overlay with components.
func with(t *testing.T, overlay string, components ...string) built {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(root, "deploy/k8s"))
	if err != nil {
		t.Fatal(err)
	}
	on := filesys.MakeFsOnDisk()
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../k8s/" + overlay + "]\ncomponents:\n"
	for _, component := range components {
		text += "  - ../k8s/components/" + component + "\n"
	}
	dir := t.TempDir()
	if err := on.MkdirAll(filepath.Join(dir, "mine")); err != nil {
		t.Fatal(err)
	}
	if err := on.WriteFile(filepath.Join(dir, "mine/kustomization.yaml"), []byte(strings.ReplaceAll(text, "../k8s", relative(t, filepath.Join(dir, "mine"), folder)))); err != nil {
		t.Fatal(err)
	}
	return build(t, relative(t, folder, filepath.Join(dir, "mine")))
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	path, err := filepath.Rel(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Each line of an overlay that stands there as a comment, to be taken or not, may be taken.
func TestComponentsInCommentsCanBeTaken(t *testing.T) {
	const comment = "#  - ../../components/"
	taken := 0
	for _, overlay := range overlays() {
		text, err := os.ReadFile(filepath.Join(root, "deploy/k8s", overlay, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range strings.Count(string(text), comment) {
			k8s := t.TempDir()
			if err := os.CopyFS(k8s, os.DirFS(filepath.Join(root, "deploy/k8s"))); err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(text), comment)
			mine := strings.Join(parts[:i+1], comment) + comment[1:] + strings.Join(parts[i+1:], comment)
			if err := os.WriteFile(filepath.Join(k8s, overlay, "kustomization.yaml"), []byte(mine), 0o600); err != nil {
				t.Fatal(err)
			}
			b := buildIn(t, k8s, overlay)
			taken++
			if overlay != "overlays/single" || !strings.HasPrefix(parts[i+1], "external-redis") {
				continue
			}
			agent := end{pod: "meshweir-agent"}
			if !allowed(t, b, agent, end{}, tcp(6380)) || allowed(t, b, agent, end{}, tcp(25)) {
				t.Error("with external-redis the agent may not reach Redis, or everything")
			}
		}
	}
	if taken < 6 {
		t.Errorf("%d components stand in comments, want those of every overlay", taken)
	}
}

// What happens to Redis' users at each start: the init container's own script, in a folder.
func TestRedisStartsWithTheUsersThatItKeptAndWhatIsNewInTheSecret(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("left out, needs a shell: %v", err)
	}
	var script string
	for _, w := range build(t, "overlays/single").workloads {
		if w.name == "meshweir-redis" {
			script = w.template.Spec.InitContainers[0].Command[2]
		}
	}
	dir := t.TempDir()
	script = strings.NewReplacer("/data/", dir+"/data-", "/users/", dir+"/users-").Replace(script)
	kept := filepath.Join(dir, "data-users.acl")
	start := func(secret, want string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "users-users.acl"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), shell, "-ec", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got, err := os.ReadFile(kept); err != nil || string(got) != want {
			t.Errorf("got %v\n%swant\n%s", err, got, want)
		}
	}
	acl := func(lines string) {
		t.Helper()
		if err := os.WriteFile(kept, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const secret = "user default off\nuser ui #1 on\nuser agent-local #1 on\n"
	start(secret, secret)
	start(secret, secret)
	// `cluster register`, with a new password for one that the Secret has, and `deregister`; then Redis starts again.
	rotated := "user default off\nuser agent-east #1 on\nuser agent-local #2 on\nuser ui #1 on\n"
	acl(rotated)
	start(secret, rotated)
	deleted := "user default off\nuser agent-east #1 on\nuser ui #1 on\n"
	acl(deleted)
	start(secret, deleted)
	// A new version gives ui other rights, and brings a new service.
	start(secret+"user insights #1 on\n", "user insights #1 on\n"+deleted)
	start(strings.Replace(secret, "ui #1 on", "ui #1 on +get", 1)+"user insights #1 on\n",
		"user ui #1 on +get\nuser insights #1 on\nuser default off\nuser agent-east #1 on\n")
}

func TestManifestsTellProgramsWhatTheyUnderstand(t *testing.T) {
	secrets := secretsOf(t, meshweir(t.Context(), t, "acl", "--agents", "mgmt", "-o", "secrets", "--secrets", filepath.Join(t.TempDir(), "passwords.yaml")))
	secrets["meshweir-redis-tls"] = map[string]string{"tls.crt": "", "tls.key": ""} // as cert-manager makes it
	for _, overlay := range overlays() {
		for _, w := range build(t, overlay).workloads {
			mounted := map[string]bool{}
			for _, v := range w.template.Spec.Volumes {
				if v.Secret != nil {
					mounted[v.Secret.SecretName] = true
					if _, ok := secrets[v.Secret.SecretName]; !ok {
						t.Errorf("%s: %s mounts the Secret %s, which nothing makes", overlay, w.name, v.Secret.SecretName)
					}
				}
			}
			for _, c := range w.template.Spec.Containers {
				env := map[string]string{}
				for _, e := range c.Env {
					if env[e.Name] = e.Value; e.ValueFrom == nil {
						continue
					}
					ref, ok := e.ValueFrom.SecretKeyRef, false
					if env[e.Name], ok = secrets[ref.Name][ref.Key]; !ok || !mounted[ref.Name] {
						t.Errorf("%s: %s: %s is the key %s of the Secret %s, which has none or is not mounted", overlay, w.name, e.Name, ref.Key, ref.Name)
					}
				}
				container{overlay + ": " + w.name, c.Image, c.Args, env}.check(t)
			}
		}
	}
}

// secretsOf reads what `meshweir acl -o secrets` printed.
func secretsOf(t *testing.T, printed string) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for document := range strings.SplitSeq(printed, "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		var secret struct {
			Metadata metav1.ObjectMeta
			Data     map[string]string
		}
		if err := yaml.Unmarshal([]byte(document), &secret); err != nil {
			t.Fatal(err)
		}
		for key, value := range secret.Data {
			text, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			secret.Data[key] = string(text)
		}
		found[secret.Metadata.Name] = secret.Data
	}
	return found
}

func TestOverlaysHoldWhatTheyPromise(t *testing.T) {
	for overlay, want := range map[string][]string{
		"overlays/single":     {"Namespace meshweir", "CustomResourceDefinition workspaces.meshweir.io", "StatefulSet meshweir-redis", "Deployment meshweir-agent", "Deployment meshweir-translator", "Deployment meshweir-ui"},
		"overlays/management": {"Namespace meshweir", "StatefulSet meshweir-redis", "Service meshweir-redis-tls", "Deployment meshweir-translator", "Deployment meshweir-ui"},
		"overlays/workload":   {"Namespace meshweir", "CustomResourceDefinition workspaces.meshweir.io", "Deployment meshweir-agent", "ClusterRole meshweir-agent-read"},
	} {
		b := build(t, overlay)
		for _, object := range want {
			if !slices.Contains(b.kinds, object) {
				t.Errorf("%s: has no %s", overlay, object)
			}
		}
	}
	for _, overlay := range []string{"overlays/single", "overlays/workload"} {
		if got := fmt.Sprint(with(t, overlay, "certificates").kinds); !strings.Contains(got, "ClusterRole meshweir-agent-certificates") {
			t.Errorf("%s with certificates: %s", overlay, got)
		}
	}
	for _, overlay := range []string{"overlays/single", "overlays/management"} {
		if got := fmt.Sprint(with(t, overlay, "external-redis").kinds); strings.Contains(got, "meshweir-redis") || !strings.Contains(got, "meshweir-ui") {
			t.Errorf("%s with a Redis elsewhere: there still is one here: %s", overlay, got)
		}
	}
}

// TestSelectorsSelectSomething catches a label that was renamed in one place only.
func TestSelectorsSelectSomething(t *testing.T) {
	for _, overlay := range overlays() {
		b := build(t, overlay)
		selects := func(what string, s labels.Selector) {
			if !slices.ContainsFunc(b.workloads, func(w workload) bool { return s.Matches(labels.Set(w.template.Labels)) }) {
				t.Errorf("%s: %s selects no Pod", overlay, what)
			}
		}
		for _, s := range b.services {
			selects("Service "+s.Name, labels.SelectorFromSet(s.Spec.Selector))
			for _, port := range s.Spec.Ports {
				if portOf(b, labels.SelectorFromSet(s.Spec.Selector), port.TargetPort.StrVal) == 0 {
					t.Errorf("%s: Service %s leads to the port %s, which nobody has", overlay, s.Name, port.TargetPort.StrVal)
				}
			}
		}
		for _, p := range b.budgets {
			selects("PodDisruptionBudget "+p.Name, selector(t, p.Spec.Selector))
		}
		for _, w := range b.workloads {
			if !selector(t, w.selector).Matches(labels.Set(w.template.Labels)) {
				t.Errorf("%s: %s does not select its own Pods", overlay, w.name)
			}
			if w.replicas > 1 && len(w.template.Spec.TopologySpreadConstraints) == 0 {
				t.Errorf("%s: the Pods of %s may all be on one node", overlay, w.name)
			}
		}
	}
}

func selector(t *testing.T, s *metav1.LabelSelector) labels.Selector {
	t.Helper()
	made, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// portOf returns the number of a port's name at the Pods that are selected.
func portOf(b built, s labels.Selector, name string) int32 {
	for _, w := range b.workloads {
		if !s.Matches(labels.Set(w.template.Labels)) {
			continue
		}
		for _, c := range w.template.Spec.Containers {
			for _, port := range c.Ports {
				if port.Name == name {
					return port.ContainerPort
				}
			}
		}
	}
	return 0
}
