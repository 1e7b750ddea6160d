package kubernetes

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

// version returns the resource version that the API server is at.
func version(t *testing.T, server *apiserver.Server) string {
	t.Helper()
	list, _ := live(t, server, "/api/v1/namespaces/shop/services")
	text, _ := list["metadata"].(map[string]any)["resourceVersion"].(string)
	return text
}

// restart ends and starts the API server. It is killed: in good order, it waits a minute for watches to end.
func restart(server *apiserver.Server) {
	server.Kill()
	server.Start()
}

func TestOutagesLoseAndForgetNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t, "--etcd-compaction-interval=3s")
	server.Apply(everything + "---\n" + service("cart", "one") + "---\n" + service("gone", "one"))
	through := newGate(t, server)
	r := open(t, server, func(c *Config) {
		c.API.Host = through.url()
		c.Lease = 5 * time.Minute // outages are not to end the lead here
	}).start().sync()

	t.Run("a restart of the API server", func(t *testing.T) {
		restart(server)
		server.Apply(service("cart", "two"))
		r.has("Service/shop/cart", "two")
	})

	t.Run("what is away is unknown, and then read anew: the watch has expired", func(t *testing.T) {
		last := version(t, server)
		through.set(true)
		server.Remove(service("gone", "one"))
		server.Apply(service("cart", "three"))
		r.eventually("the end of the history", func() bool {
			server.Apply(service("other", "t"+fmt.Sprint(time.Now().UnixNano())))
			answer := server.Do(apiserver.Request{
				Path: "/api/v1/namespaces/shop/services?resourceVersionMatch=Exact&limit=1&resourceVersion=" + last,
			})
			return answer.Code == http.StatusGone
		})
		restart(server) // forgets what it had in memory of the history
		r.eventually("why nothing is known", func() bool {
			return r.outage != nil && strings.Contains(r.outage.Error(), "cannot be reached") && strings.Contains(r.outage.Error(), "see that it runs")
		})
		if r.get("Service/shop/gone") == "" {
			t.Error("an object is gone while the API server cannot be reached")
		}
		through.set(false)
		r.lacks("Service/shop/gone")
		r.has("Service/shop/cart", "three")
		r.eventually("the end of the outage", func() bool { return r.outage == nil })
		if r.get("Namespace//kube-system") == "" {
			t.Error("objects are gone that were not deleted")
		}
	})
	r.stop()

	t.Run("nothing is complete before all was read", func(t *testing.T) {
		late := open(t, server, func(c *Config) { c.API.Host = through.url() })
		through.set(true)
		late.start()
		time.Sleep(2 * time.Second) // long enough to make the mistake, if it is made
		late.mu.Lock()
		if late.synced || late.deliveries > 0 {
			t.Errorf("got %d deliveries while the API server cannot be reached", late.deliveries)
		}
		late.mu.Unlock()
		through.set(false)
		late.sync()
		if !strings.Contains(late.get("Service/shop/cart"), "three") {
			t.Error("the first complete delivery lacks a Service")
		}
	})
}

func TestOneReplicaLeads(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Apply(everything)
	quick := func(name string, through *gate) func(*Config) {
		return func(c *Config) { c.Replica, c.Lease, c.API.Host = name, 6*time.Second, through.url() }
	}
	gateOne, gateTwo := newGate(t, server), newGate(t, server)
	one := open(t, server, quick("one", gateOne)).start().sync()
	two := open(t, server, quick("two", gateTwo)).start()
	two.eventually("the second to see who leads", func() bool { return two.waitsFor.Leader == "one" })
	if two.leading {
		t.Fatal("both lead")
	}

	t.Run("one that cannot reach the API server gives up before another begins", func(t *testing.T) {
		gateOne.set(true)
		two.eventually("the second to lead", func() bool {
			one.mu.Lock()
			defer one.mu.Unlock()
			if two.leading && one.leading {
				t.Error("both lead")
			}
			return two.leading
		})
		two.sync()
		gateOne.set(false)
		one.eventually("the first to see who leads", func() bool { return one.waitsFor.Leader == "two" })
	})

	t.Run("one that cannot reach the API server says so", func(t *testing.T) {
		gateOne.set(true)
		one.eventually("the reason", func() bool {
			return one.waitsFor.Outage != nil && strings.Contains(one.waitsFor.Outage.Error(), "cannot be reached")
		})
		gateOne.set(false)
		one.eventually("the first to see who leads", func() bool { return one.waitsFor.Leader == "two" })
	})

	t.Run("one whose Lease another has stops at once", func(t *testing.T) {
		// Renewed every 12 s; without a sign, it is given up after 60 s.
		other := open(t, server, func(c *Config) { c.Namespace, c.Lease = "shop", 90*time.Second }).start().sync()
		if answer := server.Do(apiserver.Request{
			Method: "PATCH", Path: "/apis/coordination.k8s.io/v1/namespaces/shop/leases/" + Name, Type: "application/merge-patch+json",
			Body: []byte(`{"spec":{"holderIdentity":"another"}}`),
		}); answer.Code != http.StatusOK {
			t.Fatalf("got %d %s", answer.Code, answer.Body)
		}
		other.eventually("it to stop, and to say who leads", func() bool { return !other.leading && other.waitsFor.Leader == "another" })
		other.stop()
	})

	t.Run("one that stops hands over at once", func(t *testing.T) {
		two.stop()
		one.eventually("the first to lead again", func() bool { return one.leading })
		one.sync()
	})
}
