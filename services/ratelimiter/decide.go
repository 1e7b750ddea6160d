package ratelimiter

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	limitpb "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/meshweir/meshweir/services/ratelimiter/counter"
	"github.com/meshweir/meshweir/services/ratelimiter/rules"
)

// decider decides one call after the other: which limits it meets, what their counters say, what is answered.
type decider struct {
	cfg      Config
	counters *counter.Counters
	current  atomic.Pointer[compiled]
	metrics  *metrics
	watch    *watch
	secrets  *secrets
	scratch  sync.Pool
}

// scratch is what one call works with, used again and again.
type scratch struct {
	entries []rules.Entry
	mets    []rules.Met
	limits  []*limit // of mets
	hits    []int64  // of descriptors
	buffer  []byte
	ends    []int // of each ask's parts in buffer
	asks    []counter.Ask
	answers []counter.Answer
	asked   []int // the met of each ask
}

// mostHits bounds what one descriptor counts, so that no sum overflows.
const mostHits = 1 << 40

// decide answers one call.
func (d *decider) decide(now time.Time, request *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	config := d.current.Load()
	switch {
	case config == nil:
		return nil, status.Error(codes.Unavailable, "deciding: no rules have been read yet")
	case request.GetDomain() == "":
		return nil, status.Error(codes.InvalidArgument, "deciding: the call names no domain")
	case len(request.GetDescriptors()) == 0:
		return nil, status.Error(codes.InvalidArgument, "deciding: the call has no descriptors")
	}
	s := d.scratch.Get().(*scratch)
	defer d.scratch.Put(s)
	s.reset()
	if err := d.match(s, config, request); err != nil {
		return nil, err
	}
	d.ask(s)
	if len(s.asks) > 0 {
		d.counters.Count(now, s.asks, s.answers)
	}
	return d.respond(now, s, request)
}

func (s *scratch) reset() {
	s.entries, s.mets, s.limits, s.hits = s.entries[:0], s.mets[:0], s.limits[:0], s.hits[:0]
	s.buffer, s.ends, s.asks, s.answers, s.asked = s.buffer[:0], s.ends[:0], s.asks[:0], s.answers[:0], s.asked[:0]
}

// match finds the limits that the descriptors meet.
func (d *decider) match(s *scratch, config *compiled, request *pb.RateLimitRequest) error {
	total := 0
	for _, descriptor := range request.Descriptors {
		total += len(descriptor.GetEntries())
	}
	if cap(s.entries) < total { // what was met points into it
		s.entries = make([]rules.Entry, 0, 2*total)
	}
	for i, descriptor := range request.Descriptors {
		begin := len(s.entries)
		for _, e := range descriptor.GetEntries() {
			s.entries = append(s.entries, rules.Entry{Key: e.GetKey(), Value: e.GetValue()})
		}
		entries := s.entries[begin:len(s.entries):len(s.entries)]
		s.hits = append(s.hits, hitsOf(request, descriptor))
		first := len(s.mets)
		if override := descriptor.GetLimit(); override != nil {
			l, err := config.rules.Override(request.Domain, override.GetRequestsPerUnit(), override.GetUnit().String())
			if err != nil {
				return status.Errorf(codes.InvalidArgument, "deciding: descriptors[%d].limit: %v", i, err)
			}
			if l != nil {
				s.mets = append(s.mets, rules.Met{Limit: l, Counter: entries})
			}
		} else {
			s.mets = config.rules.Match(s.mets, request.Domain, entries)
		}
		for j := first; j < len(s.mets); j++ {
			s.mets[j].Descriptor = i
		}
	}
	s.mets = rules.DropReplaced(s.mets)
	for _, m := range s.mets {
		s.limits = append(s.limits, config.of(d, m.Limit))
	}
	return nil
}

// hitsOf returns how many hits a descriptor counts: what it says itself, also 0, goes before what the call says.
func hitsOf(request *pb.RateLimitRequest, descriptor *limitpb.RateLimitDescriptor) int64 {
	hits := uint64(max(request.GetHitsAddend(), 1))
	if own := descriptor.GetHitsAddend(); own != nil {
		hits = own.GetValue()
	}
	hits = min(hits, mostHits)
	if descriptor.GetIsNegativeHits() {
		return -int64(hits)
	}
	return int64(hits)
}

// ask makes a question of each limit that counts.
func (d *decider) ask(s *scratch) {
	for i, m := range s.mets {
		if m.Limit.Unlimited {
			continue
		}
		for _, e := range m.Counter {
			s.buffer = counter.AppendPart(s.buffer, e.Key)
			if d.secrets.hides(e.Key) {
				s.buffer = counter.AppendPart(s.buffer, digest(e.Value))
			} else {
				s.buffer = counter.AppendPart(s.buffer, e.Value)
			}
		}
		s.ends = append(s.ends, len(s.buffer))
		s.asks = append(s.asks, counter.Ask{Limit: s.limits[i].count, Hits: s.hits[m.Descriptor]})
		s.answers = append(s.answers, counter.Answer{})
		s.asked = append(s.asked, i)
	}
	begin := 0
	for i, end := range s.ends {
		s.asks[i].Parts = s.buffer[begin:end]
		begin = end
	}
}

// verdict is what the limits of a call say together.
type verdict struct {
	over          bool
	quotas, spent int
	tightest      int           // the ask that is shown in headers; -1 where there is none
	retry         time.Duration // until no limit denies
	shadowed      []int         // asks that only shadow limits would deny
	err           error         // why one limit has no answer
}

// judge weighs the answers.
func (d *decider) judge(s *scratch) verdict {
	v := verdict{tightest: -1}
	for n, a := range s.answers {
		l := s.limits[s.asked[n]]
		effect := l.count.Effect
		if a.Err != nil && l.count.OnError == counter.Fail {
			if effect != counter.Shadows {
				v.err = a.Err
			}
			continue
		}
		if effect == counter.Spends {
			v.quotas++
		}
		if v.tightest < 0 || tighter(a, s.answers[v.tightest]) {
			v.tightest = n
		}
		if !a.Over {
			continue
		}
		switch effect {
		case counter.Shadows:
			v.shadowed = append(v.shadowed, n)
			continue
		case counter.Spends:
			v.spent++
		case counter.Denies:
			v.over = true
		}
		v.retry = max(v.retry, a.Retry)
	}
	v.over = v.over || v.quotas > 0 && v.spent == v.quotas
	return v
}

// tighter says whether an answer leaves a caller less than another.
func tighter(a, b counter.Answer) bool {
	switch {
	case a.Over != b.Over:
		return a.Over
	case a.Remaining != b.Remaining:
		return a.Remaining < b.Remaining
	}
	return a.Retry > b.Retry
}

// respond makes the answer.
func (d *decider) respond(now time.Time, s *scratch, request *pb.RateLimitRequest) (*pb.RateLimitResponse, error) {
	v := d.judge(s)
	d.measure(now, s, v)
	if v.err != nil && !v.over {
		return nil, status.Error(codes.Unavailable, fmt.Sprintf("deciding: %v", v.err))
	}
	r := newResponse(len(request.Descriptors))
	for _, m := range s.mets {
		if m.Limit.Unlimited {
			r.statuses[m.Descriptor].LimitRemaining = math.MaxUint32
		}
	}
	shown := r.shown
	for n, a := range s.answers {
		l := s.limits[s.asked[n]]
		if a.Err != nil && l.count.OnError == counter.Fail {
			continue
		}
		at := s.mets[s.asked[n]].Descriptor
		if was := shown[at]; was < 0 || d.shows(s, v, n, was) {
			shown[at] = n
		}
	}
	for at, n := range shown {
		if n >= 0 {
			d.show(&r.statuses[at], &r.resets[at], s.limits[s.asked[n]], s.answers[n], v)
		}
	}
	out := &r.response
	if v.over && !d.cfg.Shadow {
		out.OverallCode = pb.RateLimitResponse_OVER_LIMIT
	} else {
		out.OverallCode = pb.RateLimitResponse_OK
	}
	d.addHeaders(out, s, v)
	if d.cfg.Metadata || len(v.shadowed) > 0 {
		out.DynamicMetadata = d.metadata(s, request, v)
	}
	return out, nil
}

// shows says whether the status of a descriptor is that of one ask, and not that of another: one that denies goes first,
// then the one that leaves less.
func (d *decider) shows(s *scratch, v verdict, n, was int) bool {
	denies := d.denies(s, v, n)
	if other := d.denies(s, v, was); denies != other {
		return denies
	}
	return tighter(s.answers[n], s.answers[was])
}

// denies says whether one limit is why the call is denied.
func (d *decider) denies(s *scratch, v verdict, n int) bool {
	return denies(s.limits[s.asked[n]], s.answers[n], v)
}

func denies(l *limit, a counter.Answer, v verdict) bool {
	switch l.count.Effect {
	case counter.Shadows:
		return false
	case counter.Spends:
		return a.Over && v.spent == v.quotas
	case counter.Denies:
	}
	return a.Over
}
