package counter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// fleet is the lanes to one server.
type fleet struct {
	lanes []*lane
	turn  atomic.Uint32
}

func (c *Counters) newFleet(client, cluster redis.UniversalClient) *fleet {
	f := &fleet{}
	for range c.cfg.Lanes {
		f.lanes = append(f.lanes, &lane{client: client, cluster: cluster, deadline: c.cfg.Deadline, observe: c.cfg.Observe})
	}
	return f
}

func (f *fleet) next() *lane {
	if len(f.lanes) == 1 {
		return f.lanes[0]
	}
	return f.lanes[int(f.turn.Add(1))%len(f.lanes)]
}

// commandFor returns a command on the call's ticket for the server that has a key.
func (c *Counters) commandFor(call *call, key string) (*command, error) {
	f := c.single
	if f == nil {
		var err error
		if f, err = c.fleetOf(key); err != nil {
			return nil, err
		}
	}
	for _, lt := range call.tickets {
		if slices.Contains(f.lanes, lt.lane) {
			return lt.ticket.next(), nil
		}
	}
	l := f.next()
	t := l.get()
	call.tickets = append(call.tickets, laneTicket{l, t})
	return t.next(), nil
}

// fleetOf returns the lanes to the master of a key's slot.
func (c *Counters) fleetOf(key string) (*fleet, error) {
	cluster, ok := c.client.(*redis.ClusterClient)
	if !ok {
		return nil, errors.New("asking Redis: neither one server nor a Cluster")
	}
	// Finding the nodes may have to wait for one.
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Deadline)
	defer cancel()
	master, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, err
	}
	if f, ok := c.servers.Load(master); ok {
		return f.(*fleet), nil
	}
	f, _ := c.servers.LoadOrStore(master, c.newFleet(master, cluster))
	return f.(*fleet), nil
}

// run asks all servers at once that the call has tickets for.
func (c *Counters) run(call *call) {
	now := time.Now()
	for _, lt := range call.tickets {
		lt.ticket.arrived = now
	}
	switch tickets := call.tickets; len(tickets) {
	case 0:
	case 1:
		tickets[0].lane.do(tickets[0].ticket)
	default:
		runAll(tickets)
	}
}

func runAll(tickets []laneTicket) {
	var others sync.WaitGroup
	for _, lt := range tickets[1:] {
		others.Go(func() { lt.lane.do(lt.ticket) })
	}
	tickets[0].lane.do(tickets[0].ticket)
	others.Wait()
}

func (l *lane) get() *ticket {
	t, ok := l.tickets.Get().(*ticket)
	if !ok {
		t = &ticket{done: make(chan struct{}, 1)}
	}
	t.used, t.err = 0, nil
	return t
}

func (l *lane) put(t *ticket) { l.tickets.Put(t) }
