package survey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/stream"
)

// Options say how much a survey looks at. The zero value is right for looking often.
type Options struct {
	// Sizes asks for objects and bytes of each keyspace too: two commands for each of its buckets.
	Sizes bool
	// Groups are consumer groups whose dead letters are wanted though no stream has the group any more.
	Groups []string
}

// Surveyor takes surveys of one Redis. It is safe for concurrent use.
type Surveyor struct{ conn *redisconn.Conn }

// New returns a surveyor on conn, which stays the caller's to close.
func New(conn *redisconn.Conn) *Surveyor { return &Surveyor{conn} }

// Take takes a survey. What is wrong with one keyspace stands there; an error means that Redis does not answer, or
// lets this user read nothing.
func (v *Surveyor) Take(ctx context.Context, o Options) (Survey, error) {
	s := Survey{At: time.Now().UTC()}
	t := &taking{client: v.conn.Client, survey: &s}
	var err error
	if s.Servers, err = v.conn.Servers(ctx); err != nil {
		return s, err
	}
	steps := []func(context.Context) error{t.directory, t.spaces, t.groups}
	if o.Sizes {
		steps = append(steps, t.sizes)
	}
	steps = append(steps, func(ctx context.Context) error { return t.deadLetters(ctx, o.Groups) })
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return s, fmt.Errorf("looking at the pipeline in %s: %w", v.conn, err)
		}
	}
	return s, nil
}

// taking is one survey that is being taken.
type taking struct {
	client redis.UniversalClient
	survey *Survey
}

func (t *taking) directory(ctx context.Context) error {
	members, err := t.client.SMembers(ctx, keyspace.DirectoryKey).Result()
	if redis.IsPermissionError(err) {
		return fmt.Errorf("%w; a user that may is made by `meshweir acl`", err)
	}
	if err != nil {
		return fmt.Errorf("reading the directory of keyspaces: %w", err)
	}
	slices.Sort(members)
	for _, member := range members {
		name, err := keyspace.ParseName(member)
		if err != nil {
			t.survey.Strangers = append(t.survey.Strangers, member)
			continue
		}
		t.survey.Keyspaces = append(t.survey.Keyspaces, Keyspace{Name: name, Kind: name.Kind(), Objects: -1, Bytes: -1})
	}
	return nil
}

// atOnce is how many things, of a few commands each, one pipeline asks for.
const atOnce = 200

// pipelined asks for something of each of n things, in pipelines of a moderate size, and reads the answers. The error
// of a single command is for whoever reads it.
func (t *taking) pipelined(ctx context.Context, n int, ask func(p redis.Pipeliner, i int) (read func() error)) error {
	for from := 0; from < n; from += atOnce {
		to := min(from+atOnce, n)
		reads := make([]func() error, 0, to-from)
		_, _ = t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := from; i < to; i++ {
				reads = append(reads, ask(p, i))
			}
			return nil
		})
		for _, read := range reads {
			if err := read(); err != nil {
				return err
			}
		}
	}
	return nil
}

// note keeps what Redis answered about one key of a keyspace, and returns what is no such answer.
func (k *Keyspace) note(key string, err error) error {
	switch {
	case err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "no such key") || redis.HasErrorPrefix(err, "NOGROUP"):
		return nil // it is not there, or went while we looked
	case errors.Is(err, keyspace.ErrDamaged):
		k.Trouble = append(k.Trouble, fmt.Sprintf("%v: its writer writes it anew; where no writer runs, delete the key", err))
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		k.Trouble = append(k.Trouble, key+" is of a type that Meshweir did not make it: its writer mends it; where no writer runs, delete the key")
	case redis.IsPermissionError(err):
		k.Trouble = append(k.Trouble, fmt.Sprintf("%s may not be read: %v; a Redis user that may is made by `meshweir acl`", key, err))
	case stream.IsReply(err):
		k.Trouble = append(k.Trouble, fmt.Sprintf("%s: %v", key, err))
	default:
		return fmt.Errorf("reading %s: %w", key, err)
	}
	return nil
}

func (t *taking) deadLetters(ctx context.Context, more []string) error {
	groups := map[string]bool{}
	for _, name := range more {
		groups[name] = true
	}
	for _, k := range t.survey.Keyspaces {
		for _, g := range k.Stream.Groups {
			groups[g.Name] = true
		}
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		d, err := t.deadLettersOf(ctx, group)
		if err != nil {
			return err
		}
		t.survey.DeadLetters = append(t.survey.DeadLetters, d)
	}
	return nil
}

// classifiedAtMost is how many dead letters of a group are looked at.
const classifiedAtMost = 1000

func (t *taking) deadLettersOf(ctx context.Context, group string) (DeadLetters, error) {
	d := DeadLetters{Group: group}
	letters, err := stream.NewDeadLetters(t.client, keyspace.DeadLettersKey(group), stream.DeadLettersConfig{})
	if err != nil {
		return d, err
	}
	d.Count, err = letters.Count(ctx)
	var page []stream.DeadLetter
	if err == nil && d.Count > 0 {
		page, err = letters.List(ctx, stream.Page{Limit: classifiedAtMost})
	}
	if stream.IsReply(err) {
		d.Trouble = err.Error()
		return d, nil
	}
	d.Classified = len(page)
	for i, letter := range page {
		if i == 0 {
			d.NewestAt, d.ByClass, d.ByKeyspace = letter.At.UTC(), map[stream.Class]int{}, map[keyspace.Name]int{}
		}
		d.OldestAt = letter.At.UTC()
		d.ByClass[letter.Class]++
		from, _ := keyspace.OfEvents(letter.Stream)
		d.ByKeyspace[from]++
	}
	return d, err
}
