package rules

import (
	"fmt"
	"sync"

	"github.com/meshweir/meshweir/schemas/limits"
)

// overrides remembers the limits made for overrides, so that calls with the same one get the same.
type overrides struct {
	mu   sync.RWMutex
	made map[override]*Limit
}

type override struct {
	domain, unit string
	requests     uint32
}

// most overrides are remembered; what a gateway sends is a handful of plans.
const mostOverrides = 1024

// Override is the limit that a descriptor brings along instead of what is configured, of a unit in any case. As in
// envoyproxy/ratelimit there is none (nil) in a domain that nobody configured. Its counter are the entries of the descriptor.
func (c *Config) Override(domain string, requests uint32, unit string) (*Limit, error) {
	d := c.domains[domain]
	if d == nil {
		return nil, nil
	}
	want := override{domain, unit, requests}
	c.made.mu.RLock()
	limit := c.made.made[want]
	c.made.mu.RUnlock()
	if limit != nil {
		return limit, nil
	}
	length, err := period(limits.Limit{Unit: unit})
	if err != nil {
		return nil, fmt.Errorf("reading the limit of a descriptor: %w", err)
	}
	limit = &Limit{
		Index: -1, Domain: domain, Rule: "override", ID: "override " + id(limits.FixedWindow, length, 0),
		Requests: requests, Period: length, Algorithm: limits.FixedWindow, CountDenied: true, AllOrNothing: d.allOrNothing,
	}
	c.made.mu.Lock()
	defer c.made.mu.Unlock()
	if other := c.made.made[want]; other != nil {
		return other, nil
	}
	if c.made.made == nil || len(c.made.made) >= mostOverrides {
		c.made.made = map[override]*Limit{}
	}
	c.made.made[want] = limit
	return limit, nil
}
