package snapshot

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

const canary = "canary-3f9c"

func certificatePEM(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: "shop"}, DNSNames: []string{"shop.example.com"},
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
		NotBefore:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "shop"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func secret(kind string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": kind,
		"metadata": map[string]any{
			"name": "tls-shop", "namespace": "shop", "labels": map[string]any{"a": canary},
			"annotations": map[string]any{
				"kubectl.kubernetes.io/last-applied-configuration": canary, "b": canary,
			},
		},
		"data": data,
	}}
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestTakesOfASecretOnlyThePublicPartOfItsCertificate(t *testing.T) {
	text := certificatePEM(t)
	in := secret("kubernetes.io/tls", map[string]any{
		"tls.crt": encode(append(text, text...)), "tls.key": encode([]byte(canary)), "other": canary,
	})
	object, err := NewReducer(0).Reduce(in, "tls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := object.Key.String(), "Certificate.internal.meshweir.io/shop/tls-shop"; got != want {
		t.Errorf("got key %q, want %q", got, want)
	}
	for _, leak := range []string{canary, encode([]byte(canary)), "BEGIN"} {
		if bytes.Contains(object.Value, []byte(leak)) {
			t.Errorf("the snapshot holds %q of a Secret: %s", leak, object.Value)
		}
	}
	var got internalv1.Certificate
	if err := json.Unmarshal(object.Value, &got); err != nil {
		t.Fatal(err)
	}
	want := internalv1.CertificateSpec{
		DNSNames: []string{"shop.example.com"}, IPAddresses: []string{"192.0.2.1"}, Subject: "CN=shop", Issuer: "CN=shop", SerialNumber: "beef",
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyAlgorithm: "ECDSA", KeyBits: 256, SignatureAlgorithm: "ECDSA-SHA256", SHA256: got.Spec.SHA256, ChainLength: 2,
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" || len(got.Spec.SHA256) != 64 {
		t.Error("certificate (-want +got):\n" + diff)
	}
	if got.Annotations[resource.FileAnnotation] != "tls.yaml" {
		t.Errorf("got annotations %v, want the file", got.Annotations)
	}
}

func TestSaysWhyASecretCannotServeWithoutQuotingIt(t *testing.T) {
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(canary)})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(canary)})
	tests := []struct{ name, crt, want string }{
		{"absent", "", "has no tls.crt"},
		{"not base64", "%" + canary, "is not base64"},
		{"a key in its place", encode(key), "no PEM block of type CERTIFICATE"},
		{"damaged", encode(broken), "certificate 1 of tls.crt is no X.509"},
		{"text behind", encode(append(certificatePEM(t), canary...)), "behind its last PEM block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			object, err := NewReducer(0).Reduce(secret("kubernetes.io/tls", map[string]any{"tls.crt": tt.crt}), "")
			if err != nil {
				t.Fatal(err)
			}
			var got internalv1.Certificate
			if err := json.Unmarshal(object.Value, &got); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Spec.Problem, tt.want) || bytes.Contains(object.Value, []byte(canary)) {
				t.Errorf("got %s, want a problem with %q and no data", object.Value, tt.want)
			}
		})
	}
}

func TestTakesNothingOfOtherSecrets(t *testing.T) {
	for _, kind := range []string{"", "Opaque", "helm.sh/release.v1"} {
		if object, err := NewReducer(0).Reduce(secret(kind, map[string]any{"tls.crt": "a"}), ""); !errors.Is(err, ErrNotTaken) {
			t.Errorf("type %q: got %s and %v, want ErrNotTaken", kind, object.Value, err)
		}
	}
}

func TestRefusesWhatIsTooLargeAfterPruning(t *testing.T) {
	service := func(field string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "a"}, field: map[string]any{"big": strings.Repeat("x", 2<<20)},
		}}
	}
	if _, err := NewReducer(0).Reduce(service("spec"), ""); err == nil || !strings.Contains(err.Error(), "split it up") {
		t.Errorf("got %v for a Service of 2 MiB, want a refusal", err)
	}
	if _, err := NewReducer(0).Reduce(service("pruned"), ""); err != nil {
		t.Errorf("got %v for a Service whose bulk is pruned, want none", err)
	}
}

func TestReducingTwiceChangesNothing(t *testing.T) {
	once := reduce(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"x":"y","istio.io/rev":"z"}},"spec":{"nodeName":"n","containers":[{"name":"c","env":[]}]}}`)
	if twice := reduce(t, string(once.Value)); !bytes.Equal(once.Value, twice.Value) {
		t.Errorf("got %s, want %s", twice.Value, once.Value)
	}
}

func reduce(t *testing.T, text string) Object {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	reduced, err := NewReducer(0).Reduce(object, "a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return reduced
}
