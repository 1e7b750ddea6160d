package internalv1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Certificate is the public part of a Secret of type kubernetes.io/tls. It has
// the Secret's namespace and name, and never a byte of its private key.
type Certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              CertificateSpec `json:"spec"`
}

// CertificateSpec describes the first certificate of a chain, the one that a server presents as its own.
type CertificateSpec struct {
	// Problem says why the Secret cannot serve, such as "tls.crt holds no PEM block". It is empty when it can; the other fields may be empty when it is set.
	Problem string `json:"problem,omitempty"`
	// DNSNames are the DNS subject alternative names, in the certificate's order.
	DNSNames []string `json:"dnsNames,omitempty"`
	// IPAddresses are the IP subject alternative names as text.
	IPAddresses []string `json:"ipAddresses,omitempty"`
	// URIs are the URI subject alternative names, such as SPIFFE identities.
	URIs []string `json:"uris,omitempty"`
	// Subject is the distinguished name in the form of RFC 2253.
	Subject string `json:"subject,omitempty"`
	// Issuer is the issuer's distinguished name in the form of RFC 2253.
	Issuer string `json:"issuer,omitempty"`
	// SerialNumber is the serial number in hexadecimal.
	SerialNumber string `json:"serialNumber,omitempty"`
	// NotBefore is the first moment at which the certificate is valid.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// NotAfter is the last moment at which the certificate is valid.
	NotAfter time.Time `json:"notAfter,omitzero"`
	// KeyAlgorithm is "RSA", "ECDSA" or "Ed25519".
	KeyAlgorithm string `json:"keyAlgorithm,omitempty"`
	// KeyBits is the size of the public key in bits; of an elliptic curve, the size of its field.
	KeyBits int `json:"keyBits,omitempty"`
	// SignatureAlgorithm is the algorithm of the issuer's signature as crypto/x509 prints it, "SHA256-RSA".
	SignatureAlgorithm string `json:"signatureAlgorithm,omitempty"`
	// IsCA says that the certificate may sign others.
	IsCA bool `json:"isCA,omitempty"`
	// SHA256 is the fingerprint of the DER certificate in lower-case hexadecimal.
	SHA256 string `json:"sha256,omitempty"`
	// ChainLength is the number of certificates in the chain, this one included.
	ChainLength int `json:"chainLength,omitempty"`
}
