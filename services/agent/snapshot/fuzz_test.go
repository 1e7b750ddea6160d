package snapshot

import (
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/istio"
)

// A mesh configuration is read or refused, never quoted, and each namespace is then looked at or not.
func FuzzParseMesh(f *testing.F) {
	for _, seed := range []string{
		"", "null", meshOn, "rootNamespace: istio-config", "discoverySelectors: [null]", "discoverySelectors: [{}]", "discoverySelectors: {}", "rootNamespace: [a]",
		"discoverySelectors: [{matchExpressions: [{key: mesh, operator: In, values: [a, b]}]}]", "discoverySelectors: [{matchExpressions: [{key: mesh, operator: " + canary + "}]}]",
		"discoverySelectors: [{matchLabels: {" + canary + "/: x}}]", "a: &a [*a]", "- " + canary + ": \x00", "{", "rootNamespace: istio-system\n---\nrootNamespace: x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMesh(map[string]any{istio.MeshConfigField: text})
		if err != nil {
			if !strings.Contains(err.Error(), "data.mesh") || strings.Contains(err.Error(), canary) || m.rootNamespace != "" || m.selectors != nil {
				t.Errorf("got %+v, %v, want an error that names the field and quotes nothing, and no mesh", m, err)
			}
			return
		}
		for _, of := range []labels.Set{nil, {"mesh": "on"}} {
			want := len(m.selectors) == 0
			for _, s := range m.selectors {
				want = want || s.Matches(of)
			}
			if root := m.rootNamespace; root != "" && !m.selects(root, of) {
				t.Errorf("the root namespace %q is not looked at", root)
			}
			if got := m.selects("shop-of-nobody", of); got != want && m.rootNamespace != "shop-of-nobody" {
				t.Errorf("a namespace labelled %v is looked at: %t, want %t by %v", of, got, want, m.selectors)
			}
		}
	})
}

// Certificates are read, each as it is and to its end, or there is a problem that quotes nothing of what may be a key.
func FuzzParseCertificates(f *testing.F) {
	good := certificatePEM(f)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(canary)})
	for _, seed := range []string{
		"", "\n", canary, string(good), string(good) + string(good), string(good) + canary, string(key), string(key) + string(good), string(good[:len(good)/2]),
		"-----BEGIN CERTIFICATE-----\nY2FuYXJ5LTNmOWM=\n-----END CERTIFICATE-----\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		chain, problem := parseCertificates(text)
		if (len(chain) == 0) == (problem == "") || strings.Contains(problem, canary) {
			t.Fatalf("got %d certificates and the problem %q, want one or the other, and no quote", len(chain), problem)
		}
		var again []byte
		for _, c := range chain {
			again = append(again, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
			want := describeCertificate(c)
			data, err := json.Marshal(want)
			var got internalv1.CertificateSpec
			if err == nil {
				err = json.Unmarshal(data, &got)
			}
			if err != nil || got.SHA256 != want.SHA256 || !got.NotAfter.Equal(want.NotAfter) {
				t.Errorf("got %+v, %v of %s", got, err, data)
			}
		}
		if problem != "" {
			return
		}
		twice, problem := parseCertificates(again)
		if problem != "" || len(twice) != len(chain) {
			t.Fatalf("got %d certificates and %q of the %d that were read", len(twice), problem, len(chain))
		}
		for i := range chain {
			if diff := cmp.Diff(describeCertificate(chain[i]), describeCertificate(twice[i])); diff != "" {
				t.Error("certificate (-first +again):\n" + diff)
			}
		}
	})
}
