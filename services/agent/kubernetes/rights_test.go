package kubernetes

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// shipped returns a manifest of deploy/k8s.
func shipped(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile("../../../deploy/k8s/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const secrets = `
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: shop}
type: kubernetes.io/tls
data: {tls.crt: "", tls.key: ""}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: shop}
data: {password: c2VjcmV0}
`

const (
	certificate = "Certificate.internal.meshweir.io/shop/web"
	unread      = "UnreadKind.internal.meshweir.io//secret"
)

func TestShippedRightsAreEnoughAndDeniedKindsAreUnknown(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Apply(service("cart", "one"))
	server.Apply(secrets)
	r := open(t, server, func(c *Config) { c.Lease = 5 * time.Minute })
	r.stored = []snapshot.Object{
		{Key: resource.Key{Group: resource.InternalGroup, Kind: internalv1.KindCertificate, Namespace: "shop", Name: "old"}, Value: []byte(`{"old":true}`)},
		{Key: resource.Key{Kind: "Service", Namespace: "shop", Name: "old"}, Value: []byte(`{"old":true}`)},
	}
	t.Run("without any, it says so", func(t *testing.T) {
		bare := open(t, server, nil).start()
		bare.eventually("the reason", func() bool {
			return bare.waitsFor.Outage != nil && strings.Contains(bare.waitsFor.Outage.Error(), "the rights of deploy/k8s/base/agent")
		})
		bare.stop()
	})
	server.Apply(shipped(t, "base/agent/rbac.yaml"))
	server.Apply(shipped(t, "crds/meshweir.io_workspaces.yaml"))
	r.start().sync()

	t.Run("one kind is denied, the others are complete", func(t *testing.T) {
		if r.get("Service/shop/cart") == "" {
			t.Error("the first complete delivery lacks a Service")
		}
		if got := r.get(unread); !strings.Contains(got, "grant get, list and watch on secrets") {
			t.Errorf("got the marker %q, want how to mend it", got)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.unread) != 1 || !strings.Contains(r.unread["Secret"], "secrets") {
			t.Errorf("got %v as kinds that cannot be read, want Secret alone", r.unread)
		}
	})

	t.Run("what was known of a denied kind stays", func(t *testing.T) {
		if r.get("Certificate.internal.meshweir.io/shop/old") == "" {
			t.Error("a certificate of the stored snapshot is gone")
		}
		if r.get("Service/shop/old") != "" {
			t.Error("a Service is back that does not exist: Services can be read")
		}
	})

	t.Run("the right is given later, and then taken", func(t *testing.T) {
		server.Apply(shipped(t, "components/certificates/rbac.yaml"))
		r.lacks(unread)
		r.has(certificate, "tls.crt")
		r.lacks("Certificate.internal.meshweir.io/shop/old")
		r.mu.Lock()
		for key, value := range r.holds {
			if key.Kind == "Secret" || key.Name == "password" || strings.Contains(value, "c2VjcmV0") {
				t.Errorf("got %s: %s of a Secret that is no certificate", key, value)
			}
		}
		r.mu.Unlock()

		server.Remove(shipped(t, "components/certificates/rbac.yaml"))
		restart(server) // it asks for rights when a watch begins
		r.has(unread, "secrets")
		if r.get(certificate) == "" {
			t.Error("a certificate is gone with the right to read it")
		}
	})

	t.Run("applying, statuses and memory", func(t *testing.T) {
		if err := r.cluster.Apply(t.Context(), virtualService("web", "a.example.com", first)); err != nil {
			t.Error(err)
		}
		if err := r.cluster.Delete(t.Context(), mustKey(t, webKey), at(t, first)); err != nil {
			t.Error(err)
		}
		server.Apply(gateway)
		r.has(gatewayKey, "meshweir")
		if err := r.cluster.SetStatus(t.Context(), mustKey(t, gatewayKey), conditions("Accepted")); err != nil {
			t.Error(err)
		}
		const workspace = "Workspace.meshweir.io//shop"
		server.Apply("apiVersion: meshweir.io/v1alpha1\nkind: Workspace\nmetadata: {name: shop}\nspec: {members: [{namespaces: [shop]}]}\n")
		r.has(workspace, "members")
		if err := r.cluster.SetStatus(t.Context(), mustKey(t, workspace), conditions("Accepted")); err != nil {
			t.Error(err)
		}
		if refused := server.Refused().By(agentUser).Of("", "configmaps"); len(refused) != 0 {
			t.Errorf("got refused\n%s", refused)
		}
		position := appliedAt(virtualService("web", "", first))
		if err := r.cluster.SetLastApplied("output", position); err != nil {
			t.Error(err)
		}
		if uid, err := r.cluster.Identity(t.Context()); err != nil || uid == "" || !strings.Contains(string(server.Do(apiserver.Request{Path: "/api/v1/namespaces/kube-system"}).Body), uid) {
			t.Errorf("got the identity %q, %v, want the UID of kube-system", uid, err)
		}
	})
}
