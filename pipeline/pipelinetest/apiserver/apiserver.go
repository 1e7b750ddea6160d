// Package apiserver gives tests a Kubernetes API server: etcd and kube-apiserver
// as processes on loopback, without nodes, so that nothing ever runs a Pod. It
// is empty, belongs to one test and ends with it:
//
//	server := apiserver.Start(t, apiserver.Config{Name: "east", Users: map[string][]string{"agent": nil}})
//	server.Apply(string(crds))
//	run(server.Kubeconfig("agent"))
//	…
//	for _, w := range server.Deletes().By("agent") {
//		t.Errorf("it deleted %s", w)
//	}
//
// A test may stop, kill, pause and start the API server while etcd keeps the
// data. The server writes down every write that it answers, who asked for it, and
// what the object was before and after: see [Server.Writes].
package apiserver

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/program"
)

// Admin is the user who may do everything.
const Admin = "admin"

// controllers is the user that kube-controller-manager is.
const controllers = "system:kube-controller-manager"

// patience is how long the server may take to be ready, on a machine that does
// much else.
const patience = 3 * time.Minute

// Config says what the server is like. The zero Config is one that knows Admin only.
type Config struct {
	// Name is what logs and kubeconfigs call the cluster; "cluster" when it is empty.
	Name string
	// Users are those besides Admin, each with its groups. Who has no role may do
	// next to nothing.
	Users map[string][]string
	// Controllers has kube-controller-manager run too: Deployments get ReplicaSets
	// and Pods, Services get EndpointSlices, what has no owner any more is collected.
	Controllers bool
	// Args are added to the command line of kube-apiserver.
	Args []string
}

// Server is a Kubernetes API server with its etcd.
type Server struct {
	// URL is the server's address, "https://127.0.0.1:12345". It stays over restarts.
	URL string

	t       testing.TB
	config  Config
	dir     string
	tokens  map[string]string // by user
	clients map[string]*http.Client
	etcd    *program.Program
	api     *program.Program
	paused  bool

	mu       sync.Mutex
	served   map[string]resource // by version and kind
	recorded recording
}

// Start starts a server and waits until it is ready. The test is left out where
// its parts are missing; see [pipelinetest.Require].
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	if c.Name == "" {
		c.Name = "cluster"
	}
	etcd, api := pipelinetest.Require(t, "etcd"), pipelinetest.Require(t, "kube-apiserver")
	s := &Server{t: t, config: c, dir: t.TempDir(), tokens: map[string]string{}, clients: map[string]*http.Client{}, served: map[string]resource{}}
	credentials, err := newCredentials()
	if err != nil {
		t.Fatalf("making the keys of API server %q: %v", c.Name, err)
	}
	s.write("key.pem", credentials.key)
	s.write("certificate.pem", credentials.certificate)
	s.write("audit-policy.yaml", auditPolicy)

	users := map[string][]string{Admin: {"system:masters"}, controllers: {"system:masters"}}
	maps.Copy(users, c.Users)
	var table strings.Builder
	for _, user := range slices.Sorted(maps.Keys(users)) {
		s.tokens[user] = newToken()
		table.WriteString(s.tokens[user] + "," + user + "," + user + `,"` + strings.Join(users[user], ",") + "\"\n")
	}
	s.write("tokens.csv", []byte(table.String()))

	s.startFirst(etcd, api)
	for user := range users {
		s.clients[user] = s.newClient(credentials.pool, s.tokens[user])
		s.writeKubeconfig(user, credentials.certificate)
	}
	s.awaitReady()
	if c.Controllers {
		s.startControllers(pipelinetest.Require(t, "kube-controller-manager"))
	}
	return s
}

// startFirst starts etcd and the API server on free ports; on others, when
// somebody takes one first.
func (s *Server) startFirst(etcd, api string) {
	s.t.Helper()
	for range 5 {
		clients, port := pipelinetest.FreePort(s.t), pipelinetest.FreePort(s.t)
		s.URL = "https://127.0.0.1:" + port
		endpoint := "http://127.0.0.1:" + clients
		s.etcd = program.Start(s.t, program.Config{
			Path: etcd, Log: s.path(s.config.Name + "-etcd.log"),
			Args: []string{
				"--log-level", "warn", "--data-dir", s.path("etcd"), "--unsafe-no-fsync", // it must outlive its process, not the machine
				"--listen-client-urls", endpoint, "--advertise-client-urls", endpoint, "--listen-peer-urls", "http://127.0.0.1:0",
			},
		})
		s.api = program.Start(s.t, program.Config{
			Path: api, Log: s.path(s.config.Name + "-kube-apiserver.log"),
			Args: append([]string{
				"--etcd-servers", endpoint,
				"--bind-address", "127.0.0.1", "--secure-port", port, "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
				"--tls-cert-file", s.path("certificate.pem"), "--tls-private-key-file", s.path("key.pem"), "--cert-dir", s.path("certificates"),
				"--service-account-issuer", "https://kubernetes.default.svc",
				"--service-account-key-file", s.path("key.pem"), "--service-account-signing-key-file", s.path("key.pem"),
				"--token-auth-file", s.path("tokens.csv"), "--authorization-mode", "RBAC",
				"--disable-admission-plugins", "ServiceAccount", // it waits for accounts that kube-controller-manager makes
				"--service-cluster-ip-range", "10.0.0.0/16",
				"--audit-policy-file", s.path("audit-policy.yaml"), "--audit-log-path", s.path("audit.log"),
				"--audit-log-mode", "blocking-strict", "--audit-log-maxsize", "100000",
			}, s.config.Args...),
		})
		if !s.portTaken() {
			return
		}
		s.api.Kill()
		s.etcd.Kill()
		if err := os.RemoveAll(s.path("etcd")); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Fatalf("starting API server %q: each port that was free was taken a moment later", s.config.Name)
}

// portTaken waits until both programs listen or have ended, and says whether one
// of them ended because its port was not free any more.
func (s *Server) portTaken() bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		for _, p := range []*program.Program{s.etcd, s.api} {
			if !p.Running() {
				return strings.Contains(p.Log(), "address already in use")
			}
		}
		if strings.Contains(s.api.Log(), "Serving securely on") || ctx.Err() != nil {
			return false
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Start starts the API server again after [Server.Stop] or [Server.Kill], on the
// same address and the same data, and waits until it is ready.
func (s *Server) Start() {
	s.t.Helper()
	s.api = s.api.Again()
	s.paused = false
	s.awaitReady()
}

// Stop ends the API server in good order; etcd goes on.
func (s *Server) Stop() {
	s.t.Helper()
	s.api.Stop()
}

// Kill ends the API server at once; etcd goes on.
func (s *Server) Kill() {
	s.t.Helper()
	s.api.Kill()
}

// Restart is [Server.Stop] and [Server.Start].
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Pause stops the API server where it is: connections stay open, nothing answers.
func (s *Server) Pause() {
	s.t.Helper()
	s.paused = true
	s.api.Pause()
}

// Continue ends a Pause.
func (s *Server) Continue() {
	s.t.Helper()
	s.api.Continue()
	s.paused = false
}

// Log is what this life of the API server printed.
func (s *Server) Log() string { return s.api.Log() }

// Kubeconfig is the path of a user's kubeconfig.
func (s *Server) Kubeconfig(user string) string {
	s.t.Helper()
	s.client(user) // fails the test when there is none of that name
	return s.path(strings.ReplaceAll(user, ":", "-") + ".kubeconfig")
}

func (s *Server) writeKubeconfig(user string, certificate []byte) {
	s.t.Helper()
	type object = map[string]any
	config, err := json.MarshalIndent(object{
		"apiVersion": "v1", "kind": "Config", "current-context": s.config.Name,
		"clusters": []object{{"name": s.config.Name, "cluster": object{"server": s.URL, "certificate-authority-data": certificate}}},
		"users":    []object{{"name": user, "user": object{"token": s.tokens[user]}}},
		"contexts": []object{{"name": s.config.Name, "context": object{"cluster": s.config.Name, "user": user}}},
	}, "", "  ")
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(filepath.Base(s.Kubeconfig(user)), config)
}

// awaitReady waits until the server says that it is ready and has its namespaces.
func (s *Server) awaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, path := range []string{"/readyz", "/api/v1/namespaces/kube-system", "/api/v1/namespaces/default"} {
		for {
			answer, err := s.ask(ctx, Request{Path: path})
			if err == nil && answer.Code == http.StatusOK {
				break
			}
			if ctx.Err() != nil || !s.api.Running() || !s.etcd.Running() {
				s.t.Fatalf("starting API server %q: %s: %d %s, %v; what it printed is at the end", s.config.Name, path, answer.Code, answer.Body, err)
			}
			<-time.After(50 * time.Millisecond)
		}
	}
}

func (s *Server) startControllers(path string) {
	s.t.Helper()
	kubeconfig := s.Kubeconfig(controllers)
	program.Start(s.t, program.Config{
		Path: path, Log: s.path(s.config.Name + "-kube-controller-manager.log"),
		Args: []string{
			"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
			"--service-account-private-key-file", s.path("key.pem"), "--root-ca-file", s.path("certificate.pem"),
			"--leader-elect=false", "--secure-port", "0",
		},
	})
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}
