package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
)

// Name is that of the Lease and of the ConfigMap in the agent's namespace.
const Name = "meshweir-agent"

// Config says how a cluster is reached.
type Config struct {
	// API reaches the API server. Required. See [Connect].
	API *rest.Config
	// Namespace holds the agent's Lease and ConfigMap. Default "meshweir".
	Namespace string
	// Replica tells the replicas of the agent apart. Default the host's name and a random number.
	Replica string
	// Rediscover is how often the API server is asked which kinds it serves, and whether a kind may be read that it denied. Default 30 s.
	Rediscover time.Duration
	// Lease is how long a replica that is silent keeps the lead. Default 15 s.
	Lease time.Duration
	// MaxObjectBytes is the size after pruning above which an object is reported and left out. Default 1 MiB.
	MaxObjectBytes int
}

// Holder is what all replicas of one agent have in common.
func (c Config) Holder() string {
	return "lease " + cmp.Or(c.Namespace, defaultNamespace) + "/" + Name
}

const defaultNamespace = "meshweir"

// Cluster is one cluster. It is safe for concurrent use.
type Cluster struct {
	log     *slog.Logger
	cfg     Config
	reducer *snapshot.Reducer

	http     *http.Client
	objects  dynamic.Interface
	metadata metadata.Interface
	kinds    discovery.DiscoveryInterfaceWithContext
	leases   coordinationv1.LeasesGetter
	reach    *reach

	mu sync.Mutex // guards what follows
	// mirror is what is known of the cluster since this replica leads.
	mirror *mirror
	memory memory
}

// Open prepares the clients of a cluster. Nothing is asked of it before Lead.
func Open(log *slog.Logger, cfg Config) (*Cluster, error) {
	if cfg.API == nil {
		return nil, errors.New("opening a cluster: API, how the API server is reached, is missing")
	}
	if cfg.Rediscover < 0 || cfg.Lease < 0 || cfg.MaxObjectBytes < 0 {
		return nil, errors.New("opening a cluster: a time or a number is below zero")
	}
	cfg.Namespace = cmp.Or(cfg.Namespace, defaultNamespace)
	cfg.Rediscover = cmp.Or(cfg.Rediscover, 30*time.Second)
	cfg.Lease = cmp.Or(cfg.Lease, 15*time.Second)
	if cfg.Replica == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("naming this replica: %w", err)
		}
		cfg.Replica = host + "_" + uuid.NewString()
	}
	c := &Cluster{log: log, cfg: cfg, reducer: snapshot.NewReducer(cfg.MaxObjectBytes)}
	if err := c.connect(); err != nil {
		return nil, fmt.Errorf("reaching the API server %s: %w", cfg.API.Host, err)
	}
	c.mirror = c.newMirror()
	return c, nil
}

func (c *Cluster) connect() (err error) {
	api := rest.CopyConfig(c.cfg.API)
	api.QPS = -1 // the API server's own priority and fairness decides
	api.UserAgent = "meshweir-agent"
	api.WarningHandlerWithContext = rest.NoWarnings{}
	if c.http, err = rest.HTTPClientFor(api); err != nil {
		return err
	}
	if c.objects, err = dynamic.NewForConfigAndClient(api, c.http); err != nil {
		return err
	}
	if c.metadata, err = metadata.NewForConfigAndClient(api, c.http); err != nil {
		return err
	}
	if c.leases, err = coordinationv1.NewForConfigAndClient(api, c.http); err != nil {
		return err
	}
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(api, c.http)
	if err != nil {
		return err
	}
	c.reach = newReach(c.log, func(ctx context.Context) error { return askReady(ctx, kinds.RESTClient(), api.Host) })
	c.kinds = discovery.ToDiscoveryInterfaceWithContext(kinds)
	return nil
}

// Close ends the connections.
func (c *Cluster) Close() { c.http.CloseIdleConnections() }

// Identity returns the UID of the kube-system Namespace, which lives as long as the cluster. It waits for the API server.
func (c *Cluster) Identity(ctx context.Context) (string, error) {
	namespaces := c.metadata.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	for attempt := 0; ; attempt++ {
		system, err := withTimeout(ctx, func(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
			return namespaces.Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		})
		if err == nil {
			return string(system.UID), nil
		}
		if attempt == 0 {
			c.log.WarnContext(ctx, "cluster cannot be identified yet: the UID of its kube-system namespace is not known", "error", err)
		}
		if !c.reach.pause(ctx, cluster.Backoff(attempt+1)) {
			return "", ctx.Err()
		}
	}
}

// withTimeout makes one request, and gives up on it when no answer comes.
func withTimeout[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	const most = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return request(ctx)
}

// logged returns a context by which client-go logs with our logger.
func (c *Cluster) logged(ctx context.Context) context.Context {
	return klog.NewContext(ctx, logr.FromSlogHandler(quiet{c.log.Handler()}))
}

// quiet makes debug messages of what client-go wants to tell: what matters of it is told by the mirror.
type quiet struct{ slog.Handler }

// Enabled is part of [slog.Handler].
func (h quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle is part of [slog.Handler].
func (h quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is part of [slog.Handler].
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{h.Handler.WithAttrs(attrs)} }

// WithGroup is part of [slog.Handler].
func (h quiet) WithGroup(name string) slog.Handler { return quiet{h.Handler.WithGroup(name)} }

// pause reports whether ctx still lives after a while.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
