package clusters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// registered is a cluster that was registered: an API server, a Redis, and what stands for the agent's Pod.
type registered struct {
	t      *testing.T
	redis  *pipelinetest.Server
	api    *apiserver.Server
	secret string // the folder that the Secret is mounted at
	store  *keyspace.Store
}

// account is the agent's service account.
const account = "system:serviceaccount:meshweir:meshweir-agent"

func TestARegisteredClusterWorksByWhatItWasGiven(t *testing.T) {
	r := &registered{
		t: t, redis: pipelinetest.RealServer(t), secret: t.TempDir(),
		api: apiserver.Start(t, apiserver.Config{Name: "east", Users: map[string][]string{account: {"system:serviceaccounts"}}}),
	}
	var err error
	if r.store, err = keyspace.NewStore(slog.New(slog.DiscardHandler), r.redis.Client(), keyspace.Config{Block: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	// The fleet's translator, which lists the keyspaces that agents announce and may not list.
	program.Start(t, program.Config{
		Path: filepath.Join(binaries, "translator"), Log: filepath.Join(t.TempDir(), "translator.log"),
		Args: []string{"--redis-control", r.redis.URL(), "--health-listen=127.0.0.1:" + pipelinetest.FreePort(t)},
	})
	r.meshweir("cluster", "register", "east", "--create-user", "--agent-redis", r.redis.URL(), "--apply", "--kubeconfig", r.api.Kubeconfig(apiserver.Admin))
	agent := r.startPod()
	r.await("east to be connected", func() bool { return strings.Contains(r.meshweir("cluster", "ls"), "connected") })
	if denied := r.redis.Denied(); len(denied) > 0 {
		t.Errorf("Redis refused to the agent what it needs: %q", denied)
	}
	if refused := r.api.Refused().By(account); len(refused) > 0 {
		t.Errorf("the API server refused to the agent what it needs:\n%s", refused)
	}

	// Where the Secret is somebody else's by now, the agent keeps its password: it would be shut out.
	rotate := []string{"cluster", "register", "east", "--rotate-password", "--agent-redis", r.redis.URL(), "--apply", "--kubeconfig", r.api.Kubeconfig(apiserver.Admin)}
	password := string(r.mountSecret()["password"])
	r.ownSecret("data: {password: eA==}")
	if _, refused := r.try(rotate...); !strings.Contains(refused, "conflict") {
		t.Errorf("the Secret is somebody else's, and meshweir says: %s", refused)
	}
	if err := r.redis.Client().Do(t.Context(), "auth", "meshweir-agent-east", password).Err(); err != nil {
		t.Errorf("the password was changed, and could not be brought to the agent: %v", err)
	}
	r.ownSecret("data: {}")

	// A new password reaches a running agent through its Secret. The Deployment keeps its image.
	r.meshweir(rotate...)
	r.mountSecret()
	if err := r.redis.Client().Do(t.Context(), "client", "kill", "user", "meshweir-agent-east").Err(); err != nil {
		t.Fatal(err)
	}
	r.api.Apply("{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: default}, spec: {ports: [{port: 80}]}}")
	r.await("what changed after the password did", func() bool {
		_, _, err := r.store.Get(t.Context(), "snapshot/east", "Service/default/cart")
		return err == nil
	})

	// Without its user the agent has no way back.
	r.meshweir("cluster", "deregister", "east", "--force", "--delete-user")
	r.await("the agent to be shut out", func() bool { return strings.Contains(agent.Log(), "WRONGPASS") })
	if meta, err := r.store.Meta(t.Context(), "snapshot/east"); err != nil || meta.Exists() {
		t.Errorf("the agent of a cluster that is out of the fleet wrote its snapshot (%v)", err)
	}
	agent.Kill()
}

// meshweir runs the command line, which must work.
func (r *registered) meshweir(args ...string) string {
	r.t.Helper()
	out, refused := r.try(args...)
	if refused != "" {
		r.t.Fatalf("meshweir %s: %s", strings.Join(args, " "), refused)
	}
	return out
}

// try runs the command line, and returns what it printed and why it failed.
func (r *registered) try(args ...string) (out, refused string) {
	r.t.Helper()
	command := exec.Command(filepath.Join(binaries, "meshweir"), args...)
	command.Env = append(os.Environ(), "MESHWEIR_REDIS_CONTROL="+r.redis.URL())
	text, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Sprintf("%v\n%s", err, exit.Stderr)
	} else if err != nil {
		r.t.Fatal(err)
	}
	return string(text), ""
}

// ownSecret makes somebody else the owner of fields of the agent's Secret, and of no others.
func (r *registered) ownSecret(fields string) {
	r.t.Helper()
	answer := r.api.Do(apiserver.Request{
		Method: http.MethodPatch, Path: "/api/v1/namespaces/meshweir/secrets/meshweir-agent?fieldManager=somebody&force=true",
		Type: "application/apply-patch+yaml", Body: []byte("{apiVersion: v1, kind: Secret, metadata: {name: meshweir-agent}, " + fields + "}"),
	})
	if answer.Code != http.StatusOK {
		r.t.Fatalf("owning the agent's Secret: %d %s", answer.Code, answer.Body)
	}
}

// mountSecret writes the Secret that the cluster holds to its folder, as the kubelet does.
func (r *registered) mountSecret() map[string][]byte {
	r.t.Helper()
	var secret corev1.Secret
	r.get("/api/v1/namespaces/meshweir/secrets/meshweir-agent", &secret)
	for key, content := range secret.Data {
		if err := os.WriteFile(filepath.Join(r.secret, key), content, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	return secret.Data
}

// startPod sees that the cluster takes the Pod of the Deployment, and runs its container's command here.
func (r *registered) startPod() *program.Program {
	r.t.Helper()
	var deployment appsv1.Deployment
	r.get("/apis/apps/v1/namespaces/meshweir/deployments/meshweir-agent", &deployment)
	spec := deployment.Spec.Template.Spec
	pod := corev1.Pod{Spec: spec}
	pod.APIVersion, pod.Kind, pod.Name, pod.Labels = "v1", "Pod", "agent", deployment.Spec.Template.Labels
	body, err := json.Marshal(pod)
	if err != nil {
		r.t.Fatal(err)
	}
	answer := r.api.Do(apiserver.Request{Method: http.MethodPost, Path: "/api/v1/namespaces/meshweir/pods", Type: "application/json", Body: body})
	if answer.Code != http.StatusCreated {
		r.t.Fatalf("the Pod of the agent is refused: %d %s", answer.Code, answer.Body)
	}
	secret := r.mountSecret()
	container := spec.Containers[0]
	var env []string
	for _, variable := range container.Env {
		value := string(secret[variable.ValueFrom.SecretKeyRef.Key])
		value = strings.ReplaceAll(value, url.QueryEscape(container.VolumeMounts[0].MountPath), url.QueryEscape(r.secret))
		env = append(env, variable.Name+"="+value)
	}
	return program.Start(r.t, program.Config{
		Path: filepath.Join(binaries, "agent"), Log: filepath.Join(r.t.TempDir(), "agent.log"), Env: env,
		Args: append(container.Args, "--kubeconfig", r.api.Kubeconfig(account), "--health-listen=127.0.0.1:"+pipelinetest.FreePort(r.t)),
	})
}

func (r *registered) get(path string, into any) {
	r.t.Helper()
	answer := r.api.Do(apiserver.Request{Path: path})
	if answer.Code != http.StatusOK {
		r.t.Fatalf("reading %s: %d %s", path, answer.Code, answer.Body)
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		r.t.Fatal(err)
	}
}

func (r *registered) await(what string, holds func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			r.t.Fatalf("waited in vain for %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
