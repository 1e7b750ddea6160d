// Command dictionary makes the zstd dictionary that package keyspace compresses
// values with:
//
//	go run ./test/dictionary -out pipeline/keyspace/dictionary/v1.zstd-dict
//
// It learns from samples.jsonl, one recorded value in each line, and makes the
// same bytes of it each time. Of each sample it makes variants with other names,
// addresses and numbers, so that what it learns is the form of the objects and not the names in the recording.
//
// The recording is made anew, from the demo clusters, an agent for each and a
// translator, by
//
//	go run ./test/dictionary -record test/dictionary/samples.jsonl
//
// A dictionary that was shipped stays as it is for ever, because stored values
// name it: a new recording after that is for a second version beside it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

//go:embed samples.jsonl
var recorded []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dictionary:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("dictionary", flag.ContinueOnError)
	out := flags.String("out", "", "`file` that the dictionary is written to")
	samples := flags.String("record", "", "`file` that a new recording is written to, instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0, (*out == "") == (*samples == ""):
		return errors.New("reading the command line: want one of -out and -record, and nothing else")
	case *samples != "":
		values, err := record(ctx)
		if err != nil {
			return err
		}
		return write(*samples, join(values))
	}
	values, err := split(recorded)
	if err != nil {
		return fmt.Errorf("reading the recording: %w", err)
	}
	dictionary, err := train(values)
	if err != nil {
		return err
	}
	return write(*out, dictionary)
}

func write(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // a file of the repository, for everybody to read
		return fmt.Errorf("writing what was made: %w", err)
	}
	return nil
}
