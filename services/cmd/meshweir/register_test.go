package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// decodeStrictly reads printed manifests as an API server would that allows no unknown field.
func decodeStrictly(t *testing.T, text string) (objects []runtime.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, document := range strings.Split(text, "---\n")[1:] {
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

// secretIn returns the one Secret among objects.
func secretIn(t *testing.T, objects []runtime.Object) *corev1.Secret {
	t.Helper()
	for _, object := range objects {
		if secret, ok := object.(*corev1.Secret); ok {
			return secret
		}
	}
	t.Fatal("no Secret is printed")
	return nil
}

func TestRegisterPrintsAllThatAClusterNeeds(t *testing.T) {
	server := pipelinetest.RealServer(t)
	t.Setenv("MESHWEIR_REDIS_CONTROL", server.URL())
	out, notes := cli(t, 0, "cluster", "register", "east", "--create-user", "--agent-redis", "redis://redis.example:6379/2", "--image", "registry.example/agent:v1")
	objects := decodeStrictly(t, out)
	var kinds []string
	for _, object := range objects {
		kinds = append(kinds, object.GetObjectKind().GroupVersionKind().Kind)
	}
	const want = "CustomResourceDefinition CustomResourceDefinition CustomResourceDefinition Namespace ServiceAccount ClusterRole ClusterRole Role " +
		"ClusterRoleBinding ClusterRoleBinding RoleBinding NetworkPolicy Secret Deployment"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	deployment, ok := objects[len(objects)-1].(*appsv1.Deployment)
	if !ok || deployment.Spec.Template.Spec.Containers[0].Image != "registry.example/agent:v1" {
		t.Errorf("the image is not set: %v", deployment)
	}
	secret := secretIn(t, objects)
	const url = "redis://meshweir-agent-east@redis.example:6379/2?password_file=%2Fetc%2Fmeshweir%2Fredis%2Fpassword"
	if got := string(secret.Data["url"]); got != url {
		t.Errorf("got the address %s, want %s", got, url)
	}
	if string(secret.Data["cluster"]) != "east" {
		t.Errorf("got the cluster %q", secret.Data["cluster"])
	}
	password := string(secret.Data["password"])
	if strings.Contains(notes, password) {
		t.Errorf("the password is among the notes: %s", notes)
	}
	if !strings.Contains(notes, "CONFIG REWRITE") || !strings.Contains(notes, redisconn.Hash(password)) {
		t.Errorf("it is not said that a restart forgets the user: %s", notes)
	}
	if err := server.Client().Do(t.Context(), "auth", "meshweir-agent-east", password).Err(); err != nil {
		t.Error(err)
	}

	// The user is there: it is made once, and changed on purpose only.
	if _, notes := cli(t, 1, "cluster", "register", "east", "--create-user", "--agent-redis", "redis://redis.example"); !strings.Contains(notes, "--rotate-password") {
		t.Errorf("got %s", notes)
	}
	out, _ = cli(t, 0, "cluster", "register", "east", "--rotate-password", "--agent-redis", "redis://redis.example", "--image", "registry.example/agent:v2")
	if !strings.Contains(out, "image: registry.example/agent:v2") {
		t.Errorf("the new image is not set:\n%s", out)
	}
	out, _ = cli(t, 0, "cluster", "register", "east", "--rotate-password", "--agent-redis", "redis://redis.example", "--only-secret")
	if len(decodeStrictly(t, out)) != 1 || !strings.Contains(out, "kind: Secret") {
		t.Errorf("more than the Secret is printed:\n%s", out)
	}
	out, _ = cli(t, 0, "cluster", "register", "east", "--rotate-password", "--agent-redis", "redis://redis.example")
	if strings.Contains(out, "kind: Deployment") {
		t.Errorf("the Deployment is printed, and would lose its image:\n%s", out)
	}
	rotated := string(secretIn(t, decodeStrictly(t, out)).Data["password"])
	if err := server.Client().Do(t.Context(), "auth", "meshweir-agent-east", password).Err(); err == nil || rotated == password {
		t.Error("the old password is good still")
	}
	if err := server.Client().Do(t.Context(), "auth", "meshweir-agent-east", rotated).Err(); err != nil {
		t.Error(err)
	}

	_, notes = cli(t, 0, "cluster", "deregister", "east", "--delete-user")
	if !strings.Contains(notes, "The Redis user meshweir-agent-east is deleted") {
		t.Errorf("got %s", notes)
	}
	if has, err := redisconn.HasUser(t.Context(), server.Client(), "meshweir-agent-east"); err != nil || has {
		t.Errorf("the user is still there (%v)", err)
	}
}

func TestRegisterPutsFilesIntoTheSecret(t *testing.T) {
	server := pipelinetest.RealServer(t)
	dir := t.TempDir()
	for _, name := range []string{"word", "ca", "cert", "key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("the "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("MESHWEIR_REDIS_CONTROL", server.URL())
	out, _ := cli(t, 0, "cluster", "register", "east", "--agent-redis",
		"rediss://me@redis.example?password_file="+dir+"/word&tls_ca="+dir+"/ca&tls_cert="+dir+"/cert&tls_key="+dir+"/key")
	secret := secretIn(t, decodeStrictly(t, out))
	for key, want := range map[string]string{"password": "the word", "ca.crt": "the ca", "tls.crt": "the cert", "tls.key": "the key"} {
		if got := string(secret.Data[key]); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	target, err := redisconn.Parse(string(secret.Data["url"]))
	if err != nil {
		t.Fatal(err)
	}
	const at = "/etc/meshweir/redis/"
	if target.Username != "me" || target.PasswordFile != at+"password" || target.TLSCA != at+"ca.crt" || target.TLSCert != at+"tls.crt" || target.TLSKey != at+"tls.key" {
		t.Errorf("got the address %s", secret.Data["url"])
	}
}

func TestRegisterRefusesWhatCannotWork(t *testing.T) {
	server := pipelinetest.RealServer(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c"}}},
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": "https://127.0.0.1:1"}}},
	})
	if err == nil {
		err = os.WriteFile(kubeconfig, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	const agent = "--agent-redis=redis://redis.example"
	tests := []struct {
		name, want string
		code       int
		args       []string
	}{
		{"a Redis that no cluster reaches", "--agent-redis", 2, []string{"--create-user"}},
		{"two ways at once", "one of the two", 2, []string{"--create-user", "--rotate-password", agent}},
		{"apply nothing", "no manifests", 2, []string{"--apply", "--context", "east"}},
		{"apply nowhere", "which cluster", 2, []string{"--create-user", "--apply", agent}},
		{"an image for the Secret alone", "one of the two", 2, []string{"--create-user", "--only-secret", "--image", "x", agent}},
		{"a context without apply", "are for --apply", 2, []string{"--create-user", "--context", "east", agent}},
		{"an address that is none", "scheme", 2, []string{"--create-user", "--agent-redis", "http://x"}},
		{"a user beside a new one", "leave one of the two out", 2, []string{"--create-user", "--agent-redis", "redis://me:word@redis.example"}},
		{"a user that is not there", "--create-user makes it", 1, []string{"--rotate-password", agent}},
		{"no such kubeconfig", "kubeconfig", 2, []string{"--create-user", "--apply", "--kubeconfig", "nowhere", agent}},
		{"a cluster that is away", "--kubeconfig and --context", 1, []string{"--create-user", "--apply", "--kubeconfig", kubeconfig, agent}},
		{"a file that is not there", "reading a file", 1, []string{"--create-user", "--agent-redis", "rediss://redis.example?tls_ca=nowhere"}},
		{"a user that may not make users", "+acl", 1, []string{"--create-user", agent, "--redis-control", server.User("weak", "~*", "&*", "+@all", "-acl")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("MESHWEIR_REDIS_CONTROL", server.URL())
			out, notes := cli(t, tt.code, append([]string{"cluster", "register", "east"}, tt.args...)...)
			if !strings.Contains(notes, tt.want) || out != "" {
				t.Errorf("got %s%s, want %q", out, notes, tt.want)
			}
		})
	}
	if has, err := redisconn.HasUser(t.Context(), server.Client(), "meshweir-agent-east"); err != nil || has {
		t.Errorf("a refused command made the user (%v)", err)
	}
}
