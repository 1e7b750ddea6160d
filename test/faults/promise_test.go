package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// translators is their consumer group.
const translators = "translator"

// promise makes one change that other clusters need, and looks whether its event is acked before what it asks for is
// written: whoever is killed in between takes the change along. Call it at rest: the next event is then that of the change.
func (c *course) promise() (red string) {
	ctx, redisClient := c.t.Context(), c.master.client
	cluster := c.fleet.clusters[c.fleet.random.IntN(len(c.fleet.clusters))]
	source := keyspace.Name("snapshot/" + cluster)
	before, err := redisClient.XInfoStream(ctx, source.EventsKey()).Result()
	if err != nil {
		return err.Error()
	}
	clusters, red := c.moveGateway(cluster)
	if red != "" {
		return red
	}
	broken := ""
	why, ok := wait(c.patience, func() (string, bool) {
		news, err := redisClient.XRangeN(ctx, source.EventsKey(), "("+before.LastGeneratedID, "+", 1).Result()
		if err != nil || len(news) == 0 {
			return fmt.Sprint("no event of it: ", err), false
		}
		event, _, err := keyspace.DecodeEvent(news[0])
		if err != nil {
			return err.Error(), false
		}
		acked, behind, err := c.answered(source, news[0].ID, keyspace.EventPosition(event), clusters)
		if err == nil && acked && len(behind) > 0 {
			broken = fmt.Sprintf("event %s of %s is acked, and what it asks for is not written yet for %s", news[0].ID, source, strings.Join(behind, ", "))
		}
		return fmt.Sprint("not written for ", behind, err), err == nil && acked
	})
	switch {
	case broken != "":
		return broken
	case !ok:
		return fmt.Sprintf("a change of %s in calm: %s", source, why)
	}
	return c.converge("one change in calm")
}

// moveGateway gives the east-west gateway of a cluster another address, and returns the clusters that need to know.
func (c *course) moveGateway(cluster string) (clusters []string, red string) {
	f := c.fleet
	gateway := f.items[slices.IndexFunc(f.items, func(i *item) bool { return i.path == cluster+"/eastwest.yaml" })]
	was := c.moments[len(c.moments)-1].state
	for text := gateway.text; gateway.text == text; {
		gateway.text = gateway.render(f.random)
	}
	gateway.changed = f.round
	if red := c.make([]change{{item: gateway, what: "change"}}); red != "" {
		return nil, red
	}
	for key, object := range c.moments[len(c.moments)-1].state {
		if name, _, _ := strings.Cut(key, "/"); was[key].digest != object.digest && !slices.Contains(clusters, name) {
			clusters = append(clusters, name)
		}
	}
	if len(clusters) == 0 {
		return nil, "another address of the gateway of " + cluster + " changes nothing: the manifests do not show whether events are acked early"
	}
	return clusters, ""
}

// answered says, of one moment, whether an event is acked, and which clusters' outputs were computed without what it tells of.
func (c *course) answered(source keyspace.Name, id string, at keyspace.Position, clusters []string) (acked bool, behind []string, err error) {
	ctx := c.t.Context()
	pipe := c.master.client.TxPipeline()
	groups := pipe.XInfoGroups(ctx, source.EventsKey())
	pending := pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: source.EventsKey(), Group: translators, Start: id, End: id, Count: 1})
	metas := make([]func() (keyspace.Meta, error), len(clusters))
	for i, cluster := range clusters {
		metas[i] = keyspace.QueueMeta(ctx, pipe, keyspace.Name("output/"+cluster))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return false, nil, err
	}
	for _, g := range groups.Val() {
		acked = acked || g.Name == translators && stream.CompareIDs(g.LastDeliveredID, id) >= 0 && len(pending.Val()) == 0
	}
	var errs []error
	for i, cluster := range clusters {
		meta, err := metas[i]()
		errs = append(errs, err)
		if !meta.Inputs.AtLeast(keyspace.Vector{source: at}) {
			behind = append(behind, cluster)
		}
	}
	slices.Sort(behind)
	return acked, behind, errors.Join(errs...)
}
