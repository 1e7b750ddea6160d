package ratelimiter_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	limitpb "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/schemas/limits"
	"github.com/meshweir/meshweir/services/ratelimiter"
)

// call asks over TLS with a connection of its own, and returns the signature of the certificate that was shown.
func call(t *testing.T, address string, trust *x509.CertPool, own ...tls.Certificate) (serial string, err error) {
	t.Helper()
	cfg := &tls.Config{RootCAs: trust, ServerName: "limits", Certificates: own, MinVersion: tls.VersionTLS12}
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		serial = fmt.Sprintf("%x", s.PeerCertificates[0].Signature)
		return nil
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = pb.NewRateLimitServiceClient(conn).ShouldRateLimit(t.Context(), &pb.RateLimitRequest{Domain: "shop", Descriptors: []*limitpb.RateLimitDescriptor{descriptor("a=b")}})
	return serial, err
}

func TestServesOverTLS(t *testing.T) {
	authority := pipelinetest.NewAuthority(t, "authority")
	cert, key := authority.Issue("limits")
	clientCert, clientKey := authority.Issue("gateway")
	text, err := os.ReadFile(authority.Path)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(text)
	own, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, pipelinetest.Embedded(t), ratelimiter.Config{TLS: ratelimiter.TLS{Cert: cert, Key: key, ClientCA: authority.Path}}, limits.Domain{Domain: "shop"})
	address := l.conn.Target()
	if _, err := call(t, address, trust); err == nil {
		t.Error("a client without a certificate is served")
	}
	first, err := call(t, address, trust, own)
	if err != nil {
		t.Fatal(err)
	}
	authority.Issue("limits") // writes the same files
	second, err := call(t, address, trust, own)
	if err != nil || second == first {
		t.Errorf("after the certificate rotated: got %s and %v, before that %s", second, err, first)
	}
	if err := os.WriteFile(key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third, err := call(t, address, trust, own); err != nil || third != second {
		t.Errorf("while the key is broken: got %s and %v, want the last good one, %s", third, err, second)
	}
}

func TestRefusesFilesOfTLSThatCannotBeUsed(t *testing.T) {
	for want, files := range map[string]ratelimiter.TLS{
		"go together": {Cert: "x"}, "with both": {ClientCA: "x"}, "no such file": {Cert: "nowhere.pem", Key: "nowhere.key"},
	} {
		_, err := ratelimiter.New(slog.New(slog.DiscardHandler), pipelinetest.Embedded(t), ratelimiter.Config{TLS: files})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", files, err, want)
		}
	}
}
