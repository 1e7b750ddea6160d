package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
)

// fault is one way to do harm.
type fault struct {
	name string
	// survived says that the fleet converges while the harm lasts, because somebody else does the work.
	survived bool
	// redis says that it is about Redis, of which there is one.
	redis bool
	// forgets says that Redis loses everything.
	forgets bool
	// begin does the harm, and returns to whom and how it is undone; "" when there is nobody left to do it to.
	begin func(s *system) (whom string, end func())
}

// faults are all there are.
func faults() []fault {
	agents, translators, others := []string{"agent-"}, []string{"translator-"}, []string{"insights", "ui"}
	const survived = true
	of := func(name string, survived bool, to []string, harm func(s *system, name string) (end func())) fault {
		return fault{name: name, survived: survived, begin: func(s *system) (string, func()) {
			whom := s.pick(to...)
			if whom == "" {
				return "", nil
			}
			return whom, harm(s, whom)
		}}
	}
	ofRedis := func(name string, harm func(s *system) (end func())) fault {
		return fault{name: name, redis: true, begin: func(s *system) (string, func()) { return "redis", harm(s) }}
	}
	return []fault{
		of("kill-agent", !survived, agents, kill),
		of("kill-translator", survived, translators, kill),
		of("kill-other", survived, others, kill),
		of("stop-agent", !survived, agents, stop),
		of("stop-translator", survived, translators, stop),
		of("pause-agent", !survived, agents, pause),
		of("pause-translator", survived, translators, pause),
		of("cut-agent", !survived, agents, cut),
		of("cut-translator", survived, translators, cut),
		of("silence-agent", !survived, agents, silence),
		of("silence-translator", survived, translators, silence),
		ofRedis("slow-network", func(s *system) func() { return s.toxic("latency", `{"latency":60,"jitter":40}`, s.all()...) }),
		ofRedis("cut-network", func(s *system) func() {
			for _, p := range s.all() {
				p.Stop()
			}
			return func() { s.open(s.all()...) }
		}),
		ofRedis("pause-redis", func(s *system) func() { s.master.Pause(); return s.master.Continue }),
		ofRedis("stop-redis", func(s *system) func() { s.master.Stop(); return s.master.Restart }),
		ofRedis("kill-redis", func(s *system) func() { s.master.Kill(); return s.master.Restart }),
		forgetful(ofRedis("flush-redis", func(s *system) func() { s.master.Flush(); return func() {} })),
		forgetful(ofRedis("flush-redis-while-an-agent-is-dead", flushWithoutAnAgent)),
		ofRedis("fill-redis", fill),
		ofRedis("fail-over", func(s *system) func() { s.failOver(); return func() {} }),
		ofRedis("fail-over-that-loses-writes", func(s *system) func() {
			s.replication.Stop()
			return func() { s.failOver() } // which opens it again
		}),
		ofRedis("garbage", garbage),
	}
}

func forgetful(f fault) fault { f.forgets = true; return f }

func kill(s *system, name string) func() {
	s.processes[name].Kill()
	return func() { s.again(name) }
}

func stop(s *system, name string) func() {
	s.processes[name].Stop()
	return func() { s.again(name) }
}

func pause(s *system, name string) func() {
	s.processes[name].Pause()
	return s.processes[name].Continue
}

func cut(s *system, name string) func() {
	s.proxies[name].Stop()
	return func() { s.open(s.proxies[name]) }
}

// open lets connections through again. One may have been cut twice, alone and with all others.
func (s *system) open(proxies ...*toxiproxy.Proxy) {
	s.t.Helper()
	for _, p := range proxies {
		if err := p.Start(); !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
			s.must(err)
		}
	}
}

// silence lets nothing through, and closes nothing.
func silence(s *system, name string) func() {
	return s.toxic("timeout", `{"timeout":0}`, s.proxies[name])
}

func flushWithoutAnAgent(s *system) func() {
	name := s.pick("agent-")
	if name == "" {
		s.master.Flush()
		return func() {}
	}
	s.processes[name].Kill()
	s.master.Flush()
	return func() {
		<-time.After(2 * time.Second) // the others are back long since, and this one is not known to be missing
		s.again(name)
	}
}

// fill leaves Redis no memory for anything more.
func fill(s *system) func() {
	s.must(s.master.client.ConfigSet(s.t.Context(), "maxmemory", "1mb").Err())
	return func() { s.must(s.master.client.ConfigSet(s.t.Context(), "maxmemory", "0").Err()) }
}

// garbage puts into each stream what is no event, and spoils what keyspaces say of themselves.
func garbage(s *system) func() {
	ctx := s.t.Context()
	names, err := s.names()
	s.must(err)
	for i, name := range names {
		for _, values := range [][]string{
			{"x", "y"},
			{"_watermill_message_uuid", "1", "metadata", "\xff", "payload", "{"},
			{"_watermill_message_uuid", fmt.Sprint(i), "metadata", "\x80", "payload", `{"v":1,"keyspace":"` + string(name) + `"}`},
		} {
			s.must(s.master.client.XAdd(ctx, &redis.XAddArgs{Stream: name.EventsKey(), Values: values}).Err())
		}
		if slices.Contains([]string{"snapshot", "output", "status"}, name.Kind()) && s.fleet.random.IntN(4) == 0 {
			s.must(s.master.client.HSet(ctx, name.MetaKey(), "epoch", "garbage").Err())
		}
	}
	return func() {}
}
