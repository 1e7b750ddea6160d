package ratelimiter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// TLS names the files (PEM) of the gRPC service's certificate. They are read again for each new connection, so that they may
// rotate; while they cannot be used, the last good ones are. The zero value serves without TLS.
type TLS struct {
	// Cert and Key go together.
	Cert, Key string
	// ClientCA makes clients show a certificate that one of these signed. Default: they need none.
	ClientCA string
}

// config is nil where there is no TLS.
func (t TLS) config(log *slog.Logger) (*tls.Config, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	if t.Cert == "" || t.Key == "" {
		return nil, errors.New("reading the certificate of the gRPC service: certificate and key go together, and client authorities with both")
	}
	first, err := t.load()
	if err != nil {
		return nil, err
	}
	var last atomic.Pointer[tls.Config]
	last.Store(first)
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now, err := t.load()
		if err != nil {
			log.WarnContext(context.Background(), "certificate not read, the last good one is used", "error", err)
			return last.Load(), nil
		}
		last.Store(now)
		return now, nil
	}}, nil
}

func (t TLS) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the gRPC service: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair}}
	if t.ClientCA == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of clients: %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the authorities of clients: %s holds no certificate in PEM form", t.ClientCA)
	}
	return cfg, nil
}
