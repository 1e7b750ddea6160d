package clusters

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// startIstiod starts the istiod of a cluster and returns the address at which
// proxies find it. What roots holds, it signs with: see [newRoots].
func (f *fleet) startIstiod(cluster, roots string) (address string) {
	f.t.Helper()
	f.clusters[cluster].Apply("{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}")
	istiod := program.Start(f.t, program.Config{
		Path: pipelinetest.Require(f.t, "istiod"), Log: filepath.Join(f.logs, "istiod-"+cluster+".log"),
		Args: []string{
			"discovery", "--kubeconfig", f.clusters[cluster].Kubeconfig(apiserver.Admin), "--clusterID", cluster, "--namespace", "istio-system",
			"--grpcAddr", "127.0.0.1:0", "--httpAddr", "127.0.0.1:0", "--monitoringAddr", "127.0.0.1:0",
			"--httpsAddr", "", "--secureGRPCAddr", "", "--ctrlz_port", "0", // nobody asks there
		},
		Env: []string{"ROOT_CA_DIR=" + roots, "INJECT_ENABLED=false"},
	})
	f.programs["istiod-"+cluster] = istiod
	listens := regexp.MustCompile(`starting gRPC discovery service at (\S+)`)
	f.eventually("the istiod of "+cluster+" to serve proxies", func() (string, bool) {
		found := listens.FindStringSubmatch(istiod.Log())
		if found == nil {
			return "it does not say so", false
		}
		address = found[1]
		return "", true
	})
	return address
}

// newRoots makes the root certificate that the clusters have in common, in the
// form of a Secret of the type kubernetes.io/tls, mounted.
func newRoots(t testing.TB) (folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{
		"ca.crt": certificate, "tls.crt": certificate, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
