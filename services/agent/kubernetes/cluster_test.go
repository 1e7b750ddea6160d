package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agentUser is who the agent is: the service account of the shipped manifests.
const agentUser = "system:serviceaccount:meshweir:meshweir-agent"

const namespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: meshweir}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`

// everything lets the agent do everything.
const everything = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everything}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "` + agentUser + `"}]
`

// newServer starts an API server with Istio's and the Gateway API's kinds.
func newServer(t *testing.T, args ...string) *apiserver.Server {
	t.Helper()
	server := apiserver.Start(t, apiserver.Config{
		Name: "east", Users: map[string][]string{agentUser: {"system:serviceaccounts", "system:serviceaccounts:meshweir"}}, Args: args,
	})
	server.Apply(namespaces)
	server.Apply(apiserver.FromModule(t, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"))
	server.Apply(apiserver.FromModule(t, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_*.yaml"))
	return server
}

// replica is one agent's cluster, and what it delivered.
type replica struct {
	t       *testing.T
	cluster *Cluster
	stop    func()

	mu sync.Mutex // guards what follows
	// holds is what a snapshot would hold; of deliveries, how many came, and how many objects at most were in one.
	holds            map[resource.Key]string
	unread           map[string]string
	synced           bool
	deliveries, most int
	leading          bool
	waitsFor         cluster.Idle
	outage           error
	// stored is what the stored snapshot holds for recall.
	stored []snapshot.Object
}

func open(t *testing.T, server *apiserver.Server, change func(*Config)) *replica {
	t.Helper()
	api, err := Connect(server.Kubeconfig(agentUser), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{API: api, Rediscover: 500 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	c, err := Open(slog.New(slog.NewTextHandler(t.Output(), nil)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &replica{t: t, cluster: c, stop: func() {}, holds: map[resource.Key]string{}, unread: map[string]string{}}
}

// start runs the replica until stop, or the end of the test.
func (r *replica) start() *replica {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.cluster.Lead(ctx, r.work, r.idle) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("got %v from Lead, want nil", err)
		}
		r.cluster.Close()
	})
	r.t.Cleanup(r.stop)
	return r
}

func (r *replica) work(ctx context.Context) error {
	r.lead(true)
	defer r.lead(false)
	return r.cluster.Run(ctx, r.recall, r.take)
}

func (r *replica) lead(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leading = leads
	if leads {
		r.synced = false
		clear(r.holds)
	}
}

func (r *replica) idle(why cluster.Idle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waitsFor = why
}

func (r *replica) recall(_ context.Context, wanted func(resource.Key, string) bool) (objects []snapshot.Object, _ error) {
	for _, object := range r.stored {
		if wanted(object.Key, "") {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

func (r *replica) take(d snapshot.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range d.Deleted {
		delete(r.holds, key)
	}
	for _, object := range d.Set {
		r.holds[object.Key] = string(object.Value)
	}
	r.synced = r.synced || d.Synced
	r.unread = d.Unread
	r.outage = d.Outage
	r.deliveries++
	r.most = max(r.most, len(d.Set)+len(d.Deleted))
}

// eventually waits until something holds; it is called with the replica's lock held.
func (r *replica) eventually(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		r.mu.Lock()
		ok := holds()
		r.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *replica) sync() *replica {
	r.t.Helper()
	r.eventually("the first complete delivery", func() bool { return r.synced })
	return r
}

// has waits until the snapshot has an object with some text.
func (r *replica) has(key, text string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%s with %s", key, text), func() bool { return strings.Contains(r.holds[mustKey(r.t, key)], text) })
}

func (r *replica) lacks(key string) {
	r.t.Helper()
	r.eventually("the end of "+key, func() bool { return r.holds[mustKey(r.t, key)] == "" })
}

func (r *replica) get(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds[mustKey(r.t, key)]
}

func mustKey(t *testing.T, text string) resource.Key {
	t.Helper()
	key, err := resource.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func service(name, app string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: shop}\nspec: {selector: {app: " + app + "}, ports: [{port: 80}]}\n"
}

// virtualService is a route as an output has it, from a position.
func virtualService(name, host, position string) *unstructured.Unstructured {
	return parse(`{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"namespace":"shop","name":"` + name + `",
		"labels":{"` + resource.ManagedByLabel + `":"` + resource.ManagedBy + `"},
		"annotations":{"meshweir.io/sources":"east:HTTPRoute/shop/web","` + resource.OutputAnnotation + `":"` + position + `"}},
		"spec":{"hosts":["` + host + `"],"http":[{"route":[{"destination":{"host":"web","port":{"number":80}},"weight":100}],"timeout":"1s"}]}}`)
}

func parse(text string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(text)); err != nil {
		panic(err)
	}
	return object
}

const virtualServices = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"

// live asks the API server for an object.
func live(t *testing.T, server *apiserver.Server, path string) (object map[string]any, found bool) {
	t.Helper()
	answer := server.Do(apiserver.Request{Path: path})
	if answer.Code == http.StatusNotFound {
		return nil, false
	}
	if err := json.Unmarshal(answer.Body, &object); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("reading %s: %d %s", path, answer.Code, answer.Body)
	}
	return object, true
}

// gate is a TCP forwarder that can be shut: what is behind it cannot be reached then.
type gate struct {
	listener net.Listener
	behind   string

	mu    sync.Mutex // guards what follows
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, server *apiserver.Server) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: listener, behind: strings.TrimPrefix(server.URL, "https://"), conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { g.forward(in) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		g.set(true)
		all.Wait()
	})
	return g
}

func (g *gate) url() string { return "https://" + g.listener.Addr().String() }

// set shuts or opens the gate. What goes through it ends when it is shut.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for conn := range g.conns {
			conn.Close()
		}
		clear(g.conns)
	}
}

func (g *gate) hold(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		if g.shut {
			conn.Close()
			continue
		}
		g.conns[conn] = true
	}
	return !g.shut
}

func (g *gate) forward(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", g.behind)
	if err != nil {
		return
	}
	defer out.Close()
	if !g.hold(in, out) {
		return
	}
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			pair[0].Close()
			pair[1].Close()
		})
	}
	both.Wait()
}
