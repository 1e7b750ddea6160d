package counter

import (
	"context"
	"crypto/sha1" //nolint:gosec // how Redis names scripts
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says how counters are asked. The zero value is usable.
type Config struct {
	// Deadline is the longest time that a call waits for Redis; 0 is 15 ms, less than the 20 that Envoy waits.
	Deadline time.Duration
	// Lanes is how many batches one server may be asked at once; 0 is 1.
	Lanes int
	// Replicas is how many limiters share each limit while Redis is away; nil or 0 is one.
	Replicas func() int
	// Remembered bounds how many keys are kept in memory of each sort: those known to have a time to live, those known to be
	// over, and those counted without Redis. 0 is 262,144.
	Remembered int
	// Observe learns of each batch: its commands, how long it took, and why it failed. May be nil.
	Observe func(commands int, took time.Duration, err error)
	// ServerTime makes scripts use the caller's time instead of the server's. For tests.
	ServerTime func(now time.Time) int64
}

// Ask is a question: may so many hits pass?
type Ask struct {
	// Limit is the limit.
	Limit *Limit
	// Parts tell the counter from others of the limit; see [AppendPart].
	Parts []byte
	// Hits are counted; 0 looks only, and less gives back.
	Hits int64
}

// Counters counts. Use it from any number of goroutines.
type Counters struct {
	cfg     Config
	client  redis.UniversalClient
	single  *fleet   // of lanes, where there is one server
	servers sync.Map // *redis.Client → *fleet, in a Cluster
	sha     string
	known   *known
	overs   *overs
	local   *local
	calls   sync.Pool
}

// New returns counters in a Redis whose client retries nothing: what was counted once must not be counted again
// because its answer was lost.
func New(client redis.UniversalClient, cfg Config) (*Counters, error) {
	if cfg.Deadline == 0 {
		cfg.Deadline = 15 * time.Millisecond
	}
	if cfg.Lanes == 0 {
		cfg.Lanes = 1
	}
	if cfg.Remembered == 0 {
		cfg.Remembered = 1 << 18
	}
	if cfg.Deadline < time.Millisecond || cfg.Lanes < 0 || cfg.Remembered < 0 {
		return nil, fmt.Errorf("making counters: a deadline of %s, %d lanes and %d keys in memory; want at least 1 ms, 1 and 1", cfg.Deadline, cfg.Lanes, cfg.Remembered)
	}
	sum := sha1.Sum([]byte(countText)) //nolint:gosec // how Redis names scripts
	c := &Counters{
		cfg: cfg, client: client, sha: hex.EncodeToString(sum[:]),
		known: newKnown(cfg.Remembered), overs: newOvers(cfg.Remembered), local: newLocal(cfg.Remembered),
	}
	c.calls.New = func() any { return &call{} }
	if _, ok := client.(*redis.ClusterClient); !ok {
		c.single = c.newFleet(client, nil)
	}
	return c, nil
}

// call is what one call of Count works with, used again and again.
type call struct {
	key     []byte
	keys    []string
	shards  []*overShard
	returns []uint32
	hashes  []uint64
	rests   []time.Duration
	open    []int // the asks that Redis must answer
	tickets []laneTicket
}

type laneTicket struct {
	lane   *lane
	ticket *ticket
}

// Count answers each of the asks in answers, which has as many. Where Redis does not answer within the deadline, Err of those
// that it was asked for says why. Those whose limit counts together are counted together, and must be of one domain.
func (c *Counters) Count(now time.Time, asks []Ask, answers []Answer) {
	call := c.calls.Get().(*call)
	defer c.calls.Put(call)
	call.reset(len(asks))
	together, overTogether := 0, false
	for i, ask := range asks {
		if !c.prepare(call, i, ask, now, answers) {
			continue
		}
		if ask.Limit.Together {
			together++
		}
	}
	for i, ask := range asks { // one that is over for sure denies all that count together
		overTogether = overTogether || ask.Limit.Together && ask.Limit.Effect == Denies && answers[i].Over
	}
	if together > 0 {
		c.askTogether(call, now, asks, answers, overTogether)
	}
	for _, i := range call.open {
		if ask := asks[i]; !ask.Limit.Together {
			c.askOne(call, i, ask, now, answers)
		}
	}
	c.run(call)
	c.read(call, now, asks, answers)
}

func (c *call) reset(asks int) {
	for len(c.keys) < asks {
		c.keys, c.hashes, c.shards = append(c.keys, ""), append(c.hashes, 0), append(c.shards, nil)
		c.returns, c.rests = append(c.returns, 0), append(c.rests, 0)
	}
	c.open, c.tickets = c.open[:0], c.tickets[:0]
}

// prepare answers an ask that needs no Redis, or notes it as open.
func (c *Counters) prepare(call *call, i int, ask Ask, now time.Time, answers []Answer) (open bool) {
	answers[i] = Answer{}
	if ask.Limit.Requests == 0 {
		answers[i] = ask.Limit.always(ask.Hits, now)
		return false
	}
	number, rest := ask.Limit.window(now)
	call.rests[i] = rest
	call.key = ask.Limit.appendKey(call.key[:0], ask.Parts, number)
	hash := c.known.hash(call.key)
	shard := c.overs.shard(hash)
	call.hashes[i], call.shards[i] = hash, shard
	switch {
	case ask.Hits > 0:
		if a, ok := shard.answer(call.key, now.UnixNano()); ok {
			answers[i] = a
			return false
		}
	case ask.Hits < 0:
		shard.refund(call.key)
	}
	call.returns[i] = shard.returns.Load()
	call.keys[i] = string(call.key)
	call.open = append(call.open, i)
	return true
}

// askOne makes the command for one counter.
func (c *Counters) askOne(call *call, i int, ask Ask, now time.Time, answers []Answer) {
	key := call.keys[i]
	command, err := c.commandFor(call, key)
	if err != nil {
		answers[i].Err = err
		return
	}
	command.asks = append(command.asks, i)
	command.key, command.hits = key, ask.Hits
	switch l := ask.Limit; {
	case l.Algorithm == FixedWindow && ask.Hits == 0:
		command.kind = looks
	case l.Algorithm == FixedWindow && ask.Hits > 0 && l.CountDenied:
		command.kind, command.life = adds, lifetime(call.rests[i])
		command.first = !c.known.has(call.hashes[i])
	default:
		command.script(c.sha, false, c.scriptTime(now), key)
		command.counts(l, ask.Hits, call.rests[i])
	}
}

// askTogether makes one command for the counters that count together. Where one is over for sure the others are only looked at.
func (c *Counters) askTogether(call *call, now time.Time, asks []Ask, answers []Answer, denied bool) {
	var keys []string
	var which []int
	for _, i := range call.open {
		if asks[i].Limit.Together {
			keys, which = append(keys, call.keys[i]), append(which, i)
		}
	}
	command, err := c.commandFor(call, keys[0])
	if err != nil {
		for _, i := range which {
			answers[i].Err = err
		}
		return
	}
	command.asks = append(command.asks, which...)
	command.script(c.sha, true, c.scriptTime(now), keys...)
	for _, i := range which {
		hits := asks[i].Hits
		if denied && hits > 0 {
			hits = 0
		}
		command.counts(asks[i].Limit, hits, call.rests[i])
	}
}

func (c *Counters) scriptTime(now time.Time) int64 {
	if c.cfg.ServerTime == nil {
		return 0
	}
	return c.cfg.ServerTime(now)
}

// read makes answers of what Redis said.
func (c *Counters) read(call *call, now time.Time, asks []Ask, answers []Answer) {
	for _, lt := range call.tickets {
		for _, command := range lt.ticket.commands[:lt.ticket.used] {
			err := lt.ticket.err
			if err == nil {
				err = command.err()
			}
			for n, i := range command.asks {
				if err != nil {
					answers[i] = Answer{Err: fmt.Errorf("asking Redis: %w", err)}
					continue
				}
				answers[i] = c.answer(call, command, n, i, asks[i])
			}
			if command.kind == adds && err == nil && command.first {
				c.known.add(call.hashes[command.asks[0]])
			}
		}
		lt.lane.put(lt.ticket)
	}
	for _, i := range call.open {
		ask := asks[i]
		switch a := &answers[i]; {
		case a.Err != nil:
			c.fallBack(call.keys[i], ask, now, a)
		case ask.Hits > 0 && a.Remaining == 0 && a.Over:
			call.shards[i].keep(c.overs.bound, call.keys[i], *a, now.UnixNano(), call.returns[i])
		}
	}
}

// answer makes an answer of what Redis said of one counter.
func (c *Counters) answer(call *call, command *command, n, i int, ask Ask) Answer {
	l := ask.Limit
	switch command.kind {
	case adds:
		count := command.add.Val()
		return l.used(count, count > int64(l.Requests), call.rests[i])
	case looks:
		count, err := strconv.ParseInt(command.look.Val(), 10, 64)
		if err != nil && command.look.Val() != "" {
			return Answer{Err: fmt.Errorf("reading a counter: %w", err)}
		}
		return l.used(count, count > int64(l.Requests), call.rests[i])
	case runs, expires:
	}
	over, first, second, since, err := command.numbers(n)
	if err != nil {
		return Answer{Err: err}
	}
	switch l.Algorithm {
	case SlidingWindow:
		return l.slid(first, second, since, over)
	case GCRA:
		return l.promised(first, over)
	case FixedWindow:
	}
	return l.used(first, over, call.rests[i])
}

// fallBack answers as the limit names it where Redis did not.
func (c *Counters) fallBack(key string, ask Ask, now time.Time, a *Answer) {
	err := a.Err
	*a = Answer{Err: err, From: FromFallback}
	l := ask.Limit
	switch l.OnError {
	case Fail:
	case Allow:
		a.Remaining = l.Requests
	case Deny:
		_, rest := l.window(now)
		a.Over, a.Reset, a.Retry = true, rest, keptFor
	case Local:
		replicas := 1
		if c.cfg.Replicas != nil {
			replicas = max(c.cfg.Replicas(), 1)
		}
		*a = c.local.count(key, ask, now, replicas)
		a.Err, a.From = err, FromFallback
	}
}

// Open returns why Redis is not asked, when it is not, of any server.
func (c *Counters) Open() error {
	var errs []error
	each := func(f *fleet) {
		for _, l := range f.lanes {
			if err := l.breaker.open(); err != nil {
				errs = append(errs, err)
				return
			}
		}
	}
	if c.single != nil {
		each(c.single)
	}
	c.servers.Range(func(_, f any) bool { each(f.(*fleet)); return true })
	return errors.Join(errs...)
}

// Ready asks Redis for an answer.
func (c *Counters) Ready(ctx context.Context) error {
	if err := c.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("asking the Redis of limits: %w", err)
	}
	return c.Open()
}
