package clusters

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/pipelinetest"
	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
	"github.com/meshweir/meshweir/test/ads"
)

// TestChangesReachProxies applies changes with kubectl and waits for exactly what
// a gateway's proxy should then have. It prints how long each step took.
func TestChangesReachProxies(t *testing.T) {
	p := newProxies(t)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			rounds := 0
			p.at(t).measure(w, func() bool { rounds++; return rounds <= 3 })
		})
	}
}

// BenchmarkChangesReachProxies is the same, as often as is asked:
//
//	go test -run '^$' -bench ChangesReachProxies -benchtime 20x ./test/clusters
func BenchmarkChangesReachProxies(b *testing.B) {
	p := newProxies(b)
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			ours, hand := p.at(b).measure(w, b.Loop)
			b.ReportMetric(0, "ns/op") // most of it is kubectl's
			b.ReportMetric(median(ours, sample.toXDS), "p50-ms")
			b.ReportMetric(ratio(ours, hand), "times-by-hand")
		})
	}
}

// proxies is a fleet with an istiod and a proxy in each cluster.
type proxies struct {
	*fleet
	kubectl string
	istiods map[string]string // addresses by cluster
	log     *keyspaceLog
}

func newProxies(t testing.TB) *proxies {
	t.Helper()
	kubectl := pipelinetest.Require(t, "kubectl")
	pipelinetest.Require(t, "istiod")
	p := &proxies{fleet: newFleet(t), kubectl: kubectl, istiods: map[string]string{}}
	roots := newRoots(t)
	for name, server := range p.clusters {
		server.Apply(manifest(t, "ways-"+name))
		p.istiods[name] = p.startIstiod(name, roots)
	}
	p.log = followKeyspaces(t, p.store, "snapshot/east", "snapshot/west", "output/east", "output/west")
	return p
}

// at returns the same for a part of the test.
func (p *proxies) at(t testing.TB) *proxies {
	f, q := *p.fleet, *p
	f.t, q.fleet = t, &f
	return &q
}

// measure changes, while more says so, what a way begins with, and by hand what is
// compared, by turns.
func (p *proxies) measure(w way, more func() bool) (ours, hand []sample) {
	p.t.Helper()
	gateway := follow(p.t, p.istiods[w.to], w.proxy)
	p.change(w, gateway, meshweir, 0)
	p.change(w, gateway, byHand, 0)
	for round := 1; more(); round++ {
		ours = append(ours, p.change(w, gateway, meshweir, round))
		hand = append(hand, p.change(w, gateway, byHand, round))
	}
	p.t.Log(table(ours, hand))
	return ours, hand
}

// change makes one change and waits until the proxy has what follows from it.
func (p *proxies) change(w way, gateway *proxy, whose string, round int) sample {
	p.t.Helper()
	in, documents := w.from, w.ours
	if whose == byHand {
		in, documents = w.to, w.byHand
	}
	want := w.want(whose, round)
	came := gateway.await(func(s ads.State) bool { return w.has(s, whose) == want })
	s := sample{start: time.Now()}
	p.apply(in, documents(round))
	p.eventually(want, func() (string, bool) {
		select {
		case s.xds = <-came:
			return "", true
		default:
			return "the proxy has " + w.has(gateway.has(), whose), false
		}
	})
	s.change = p.written(s, p.clusters[in].Writes().ManagedBy("kubectl-client-side-apply"))
	if whose == meshweir {
		s.event = p.told(s.start, keyspace.Name("snapshot/"+w.from), w.key)
		s.output = p.told(s.start, keyspace.Name("output/"+w.to), w.output)
		s.object = p.written(s, p.clusters[w.to].Writes().By(agent).Of("networking.istio.io", w.resource))
	}
	return s
}

// told returns when a follower of a keyspace was told of a key that begins so. It
// may be slower than the proxy's.
func (p *proxies) told(after time.Time, name keyspace.Name, prefix string) (at time.Time) {
	p.t.Helper()
	p.eventually(prefix+" in "+string(name), func() (string, bool) {
		at = p.log.first(after, name, prefix)
		return "nobody told of it", !at.IsZero()
	})
	return at
}

// written returns when the last of the writes came that the proxy may know of.
func (p *proxies) written(s sample, writes apiserver.Writes) time.Time {
	p.t.Helper()
	for _, w := range slices.Backward(writes) {
		if w.At.After(s.start) && w.At.Before(s.xds) {
			return w.At
		}
	}
	p.t.Fatal("the proxy has what it should have, though nothing was written")
	return time.Time{}
}

// apply applies documents as a user does.
func (p *proxies) apply(cluster, documents string) {
	p.t.Helper()
	kubectl := exec.CommandContext(p.t.Context(), p.kubectl, "--kubeconfig", p.clusters[cluster].Kubeconfig(apiserver.Admin),
		"--cache-dir", filepath.Join(p.logs, "kubectl-"+cluster), "apply", "-f", "-")
	kubectl.Stdin = strings.NewReader(documents)
	if said, err := kubectl.CombinedOutput(); err != nil {
		p.t.Fatalf("applying to %s: %v: %s\n%s", cluster, err, said, documents)
	}
}
