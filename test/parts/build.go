package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/part"
)

// build builds the parts with those names, separated by commas, that are not in
// the cache yet.
func build(ctx context.Context, out io.Writer, names string) error {
	for name := range strings.SplitSeq(names, ",") {
		p, err := part.ByName(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		built, err := p.Built()
		if err != nil {
			return err
		}
		if _, err := exec.LookPath(built.Path); err == nil {
			fmt.Fprintf(out, "%s %s is there: %s\n", p.Name, built.Version, built.Path)
			continue
		}
		fmt.Fprintf(out, "%s %s is being built, which takes minutes the first time\n", p.Name, built.Version)
		start := time.Now()
		if err := compile(ctx, out, *p.Source, built); err != nil {
			return fmt.Errorf("building %s %s: %w", p.Name, built.Version, err)
		}
		fmt.Fprintf(out, "%s %s is built, %.0f s: %s\n", p.Name, built.Version, time.Since(start).Seconds(), built.Path)
	}
	return nil
}

// compile builds under another name and renames, so that nobody ever finds half
// a program, and two builds at once do no harm.
func compile(ctx context.Context, out io.Writer, source part.Source, built part.Built) (err error) {
	if err := os.MkdirAll(filepath.Dir(built.Path), 0o755); err != nil { //nolint:gosec // programs, as in any folder of the PATH
		return err
	}
	folder, err := os.MkdirTemp(filepath.Dir(built.Path), ".building-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program := filepath.Join(folder, filepath.Base(built.Path))
	// No flag that changes how packages are compiled: what the tests of a nested module share with its part is compiled once.
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", source.Linked(built.Version), "-o", program, source.Package)
	cmd.Dir = filepath.Join(built.Root, filepath.FromSlash(source.Folder))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build in %s: %w", cmd.Dir, err)
	}
	return os.Rename(program, built.Path)
}
