package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/meshweir/meshweir/pipeline/keyspace"
)

func (s *system) store() (*keyspace.Store, error) {
	return keyspace.NewStore(slog.New(slog.DiscardHandler), s.master.client, keyspace.Config{})
}

func (s *system) names() ([]keyspace.Name, error) {
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	return store.Names(s.t.Context())
}

// scrape reads the metrics of a process.
func (s *system) scrape(process string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.health[process]+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(response.Body)
}

// lists counts, for each process, the keyspaces that it had to list again.
func (s *system) lists() (map[string]float64, error) {
	found := map[string]float64{}
	for process := range s.processes {
		families, err := s.scrape(process)
		if err != nil {
			return nil, err
		}
		for _, m := range families["meshweir_keyspace_relists_total"].GetMetric() {
			if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "reason" && l.GetValue() == "first" }) {
				found[process] += m.GetCounter().GetValue()
			}
		}
	}
	return found, nil
}

// settle waits until something holds. It returns what is wrong if it does not come to that, and why.
func (s *system) settle(wrong string, holds func() (why string, ok bool)) (red string) {
	if why, ok := wait(s.patience, holds); !ok {
		return wrong + ": " + why
	}
	return ""
}

// quietLists returns lists once nobody lists any more what a fault has left behind.
func (s *system) quietLists() (at map[string]float64, red string) {
	red = s.settle("nothing is harmed, and keyspaces are listed again and again", func() (string, bool) {
		before, err := s.lists()
		if err != nil {
			return err.Error(), false
		}
		<-time.After(6 * time.Second) // a follower looks at what it may have missed every few seconds
		at, err = s.lists()
		return fmt.Sprint(before, at, err), err == nil && maps.Equal(before, at)
	})
	return at, red
}

// positions returns where each keyspace stands.
func (s *system) positions() (map[keyspace.Name]keyspace.Position, error) {
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	metas, err := store.Metas(s.t.Context(), names...)
	at := map[keyspace.Name]keyspace.Position{}
	for i, meta := range metas {
		at[names[i]] = meta.Position
	}
	return at, err
}

// rest waits until nothing moves, and says what still moves.
func (s *system) rest() (red string) {
	return s.settle("at rest events are made", func() (string, bool) {
		before, err := s.positions()
		<-time.After(5 * time.Second)
		after, err2 := s.positions()
		if err := errors.Join(err, err2); err != nil {
			return err.Error(), false
		}
		var moved []string
		for name, at := range after {
			if before[name] != at {
				moved = append(moved, string(name))
			}
		}
		return strings.Join(moved, " "), len(moved) == 0
	})
}

// footprint is what a process holds: {goroutines, open files, bytes}.
type footprint struct{ goroutines, files, bytes float64 }

func (s *system) footprints() (map[string]footprint, error) {
	found := map[string]footprint{}
	for process := range s.processes {
		families, err := s.scrape(process)
		if err != nil {
			return nil, err
		}
		gauge := func(name string) float64 {
			if m := families[name].GetMetric(); len(m) > 0 {
				return m[0].GetGauge().GetValue()
			}
			return 0
		}
		found[process] = footprint{gauge("go_goroutines"), gauge("process_open_fds"), gauge("process_resident_memory_bytes")}
	}
	return found, nil
}

// grown compares what processes hold with what they held at first. Pools keep a few connections, and the heap what it may need again.
func (s *system) grown(before map[string]footprint) (red string) {
	const goroutines, files, bytes = 15, 15, 96 << 20
	return s.settle("processes have grown", func() (string, bool) {
		after, err := s.footprints()
		if err != nil {
			return err.Error(), false
		}
		var found []string
		for process, b := range before {
			if a := after[process]; a.goroutines > b.goroutines+goroutines || a.files > b.files+files || a.bytes > 1.5*b.bytes+bytes {
				found = append(found, fmt.Sprintf("%s from %.0f goroutines, %.0f files, %.0f MB to %.0f, %.0f, %.0f", process,
					b.goroutines, b.files, b.bytes/1e6, a.goroutines, a.files, a.bytes/1e6))
			}
		}
		slices.Sort(found)
		return strings.Join(found, "; "), len(found) == 0
	})
}

// owed looks for events that a group still owes an answer.
func (s *system) owed() (red string) {
	return s.settle("events were never acked", func() (string, bool) {
		names, err := s.names()
		if err != nil {
			return err.Error(), false
		}
		var found []string
		for _, name := range names {
			groups, err := s.master.client.XInfoGroups(s.t.Context(), name.EventsKey()).Result()
			if err != nil {
				continue // a keyspace without events
			}
			for _, g := range groups {
				if g.Pending > 0 {
					found = append(found, fmt.Sprintf("%s: %d of %s", g.Name, g.Pending, name))
				}
			}
		}
		return strings.Join(found, "; "), len(found) == 0
	})
}
