package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/pipeline/redisconn"
	"github.com/meshweir/meshweir/pipeline/survey"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

// level says how bad it is.
type level string

const (
	levelOK   level = "ok"
	levelWarn level = "warn"
	levelFail level = "fail"
)

// verdict is one line of `check`.
type verdict struct {
	Level level `json:"level"`
	// Of is "redis", "service", "agent", "stream", "keyspace" or "insights", and Name is which one.
	Of   string `json:"of"`
	Name string `json:"name"`
	// Says is what was found, and Mend how to mend it; empty where nothing is to be done.
	Says string `json:"says"`
	Mend string `json:"mend,omitempty"`
}

// errUnwell says that a check failed; the lines have told why.
var errUnwell = errors.New("not all is well")

func checkCommand(code *int) *cobra.Command {
	o := &operator{code: code}
	var format string
	var quiet bool
	cmd := &cobra.Command{
		Use: "check", Short: "Say how Redis, services, agents, streams and keyspaces are, a line each, and how to mend what is not well", Args: cobra.NoArgs,
		Long: `Looks at all that is in Redis, and says a line of each part: ok, warn or fail, what was found, and how to mend it.

  redis      each server: version, settings, memory, persistence
  service    each consumer group: does a process work in it, has it given up on entries?
  agent      each cluster: does an agent work for it, can it read its cluster?
  stream     each group on each stream: does it keep up?
  keyspace   each keyspace: is it whole, and made from what its inputs are now?
  insights   the configuration of the fleet: how many insights are open? They are at most a warning: Meshweir itself works

Exit code 0 when nothing fails (warnings are no failure), 1 when something does, 2 for a wrong call. Where Redis cannot be
looked at, the line of Redis says why, and is the only one. It changes nothing; the
Redis user meshweir-operator, which 'meshweir acl' makes, may do all that it does.`,
		Example: `  meshweir check
  meshweir check --quiet                       # only what is not ok
  meshweir check -o json | jq -r '.checks[] | select(.level == "fail") | .mend'
  MESHWEIR_REDIS_CONTROL=rediss://meshweir-operator@redis.example.com:6379?password_file=operator.password meshweir check`,
	}
	cmd.Run = func(cmd *cobra.Command, _ []string) {
		err := process.SetFromEnvironment(o.flags, os.LookupEnv)
		if err == nil {
			var verdicts []verdict
			if verdicts, err = o.check(cmd); err == nil {
				err = printVerdicts(cmd.OutOrStdout(), verdicts, format, quiet)
			}
		}
		o.end(cmd, err)
	}
	o.define(cmd.Flags(), 30*time.Second)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only what is not ok")
	process.ChoiceP(cmd.Flags(), &format, "output", "o", "form of the list", "table", "json", "yaml")
	return cmd
}

// check returns what is to be said of the Redis; of one that cannot be looked at, that.
func (o *operator) check(cmd *cobra.Command) (verdicts []verdict, err error) {
	unlooked := false
	err = o.with(cmd, func(ctx context.Context, s session) (err error) {
		verdicts, err = checkAll(ctx, s)
		unlooked = err != nil && !errors.Is(ctx.Err(), context.Canceled)
		return err
	})
	unreached, is := errors.AsType[unreachedError](err)
	switch {
	case is:
		return []verdict{{levelFail, "redis", string(redisconn.Control), unreached.err.Error(), unreached.mend}}, nil
	case unlooked:
		return []verdict{{levelFail, "redis", string(redisconn.Control), err.Error(), mendRedis(err)}}, nil
	}
	return verdicts, err
}

// checkAll looks at the Redis of the session.
func checkAll(ctx context.Context, s session) ([]verdict, error) {
	look, err := survey.New(s.conn).Take(ctx, survey.Options{Groups: launch.Groups()})
	if err != nil {
		return nil, err
	}
	members, err := readMembers(ctx, s.store)
	if err != nil {
		return nil, err
	}
	feeds, err := readFeeds(ctx, s.store)
	if err != nil {
		return nil, err
	}
	open, err := readInsights(ctx, s.store)
	if err != nil {
		return nil, err
	}
	verdicts := append(judgeServers(look.Servers), judgeSurvey(look, members, feeds, launch.Groups())...)
	return append(verdicts, judgeInsights(open)), nil
}

func printVerdicts(out io.Writer, verdicts []verdict, format string, quiet bool) error {
	counts := map[level]int{}
	shown := make([]verdict, 0, len(verdicts))
	for _, v := range verdicts {
		counts[v.Level]++
		if v.Level != levelOK || !quiet {
			shown = append(shown, v)
		}
	}
	var unwell error
	if counts[levelFail] > 0 {
		unwell = fmt.Errorf("%w: %d of %d checks fail", errUnwell, counts[levelFail], len(verdicts))
	}
	if format != "table" {
		return errors.Join(encode(out, format, struct {
			Checks []verdict `json:"checks"`
		}{shown}), unwell)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, v := range shown {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", v.Level, v.Of, v.Name, v.Says)
		if v.Mend != "" {
			fmt.Fprintf(table, "\t\t\t→ %s\n", v.Mend)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d ok, %d warn, %d fail\n", counts[levelOK], counts[levelWarn], counts[levelFail])
	return unwell
}
