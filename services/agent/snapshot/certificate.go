package snapshot

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
)

// certificate reduces a Secret of type kubernetes.io/tls to the public part of
// its certificate. Nothing else of a Secret is looked at: its labels and
// annotations may repeat its data (kubectl's last-applied-configuration does).
func certificate(secret *unstructured.Unstructured, key resource.Key, file string) (Object, error) {
	if kind, _ := secret.Object["type"].(string); kind != "kubernetes.io/tls" {
		return Object{}, ErrNotTaken
	}
	key.Group, key.Kind = resource.InternalGroup, internalv1.KindCertificate
	c := internalv1.Certificate{
		TypeMeta:   metav1.TypeMeta{APIVersion: internalv1.APIVersion, Kind: internalv1.KindCertificate},
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: secret.GetUID()},
	}
	if file != "" {
		c.Annotations = map[string]string{resource.FileAnnotation: file}
	}
	chain, problem := chainOf(secret.Object)
	if problem == "" {
		c.Spec = describeCertificate(chain[0])
		c.Spec.ChainLength = len(chain)
	}
	c.Spec.Problem = problem
	value, err := json.Marshal(c)
	if err != nil {
		return Object{}, fmt.Errorf("encoding the certificate: %w", err)
	}
	return Object{Key: key, Value: value}, nil
}

// chainOf reads the Secret's certificates, the server's own first. Its problem
// never quotes what it read: a user may have put a key where a certificate belongs.
func chainOf(secret map[string]any) (chain []*x509.Certificate, problem string) {
	text, _, _ := unstructured.NestedString(secret, "stringData", "tls.crt")
	if text == "" {
		encoded, _, _ := unstructured.NestedString(secret, "data", "tls.crt")
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, "data[tls.crt] is not base64"
		}
		text = string(decoded)
	}
	if text == "" {
		return nil, "the Secret has no tls.crt"
	}
	return parseCertificates([]byte(text))
}

func parseCertificates(text []byte) (certificates []*x509.Certificate, problem string) {
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		switch {
		case block == nil && len(certificates) == 0:
			return nil, "tls.crt holds no PEM block of type CERTIFICATE"
		case block == nil && len(bytes.TrimSpace(text)) > 0:
			return nil, "tls.crt holds text behind its last PEM block that is none"
		case block == nil:
			return certificates, ""
		case block.Type != "CERTIFICATE":
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Sprintf("certificate %d of tls.crt is no X.509 certificate", len(certificates)+1)
		}
		certificates = append(certificates, c)
	}
}

func describeCertificate(c *x509.Certificate) internalv1.CertificateSpec {
	spec := internalv1.CertificateSpec{
		DNSNames: c.DNSNames, Subject: c.Subject.String(), Issuer: c.Issuer.String(),
		SerialNumber: c.SerialNumber.Text(16), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		KeyAlgorithm: c.PublicKeyAlgorithm.String(), SignatureAlgorithm: c.SignatureAlgorithm.String(),
		IsCA: c.IsCA, SHA256: fingerprint(c),
	}
	for _, ip := range c.IPAddresses {
		spec.IPAddresses = append(spec.IPAddresses, ip.String())
	}
	for _, uri := range c.URIs {
		spec.URIs = append(spec.URIs, uri.String())
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		spec.KeyBits = key.N.BitLen()
	case *ecdsa.PublicKey:
		spec.KeyBits = key.Params().BitSize
	case ed25519.PublicKey:
		spec.KeyBits = 8 * len(key)
	}
	return spec
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
