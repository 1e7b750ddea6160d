package apiserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"time"
)

// Request is one request to the server.
type Request struct {
	// User asks; Admin when it is empty.
	User string
	// Method is GET when it is empty.
	Method string
	// Path is what follows the server's address, with the query.
	Path string
	// Type is the body's content type; application/json when it is empty.
	Type string
	// Body is sent as it is.
	Body []byte

	auditID string // what the server calls this request in its record
}

// Answer is what the server said.
type Answer struct {
	Code int
	Body []byte
}

// Client returns an HTTP client that speaks for a user. It asks for URLs below
// [Server.URL], and has no timeout: a watch is one request.
func (s *Server) Client(user string) *http.Client {
	s.t.Helper()
	return s.client(user)
}

// Do sends a request and fails the test when there is no answer; which answer it
// is, the test decides.
func (s *Server) Do(r Request) Answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := s.ask(ctx, r)
	if err != nil {
		s.t.Fatalf("asking API server %q: %v", s.config.Name, err)
	}
	return answer
}

func (s *Server) ask(ctx context.Context, r Request) (Answer, error) {
	// A server that is paused, or not up yet, must not eat all the time there is.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if r.User == "" {
		r.User = Admin
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, s.URL+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, err
	}
	if r.Type == "" {
		r.Type = "application/json"
	}
	request.Header.Set("Content-Type", r.Type)
	if r.auditID != "" {
		request.Header.Set("Audit-ID", r.auditID)
	}
	response, err := s.client(r.User).Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{Code: response.StatusCode, Body: body}, err
}

func (s *Server) client(user string) *http.Client {
	s.t.Helper()
	client, known := s.clients[user]
	if !known {
		s.t.Fatalf("asking API server %q as %q: Config.Users has none of that name", s.config.Name, user)
	}
	return client
}

func (s *Server) newClient(trusted *x509.CertPool, token string) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: bearer{token: token, next: transport}}
}

// bearer adds a token to each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
