package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updatePage = flag.Bool("update-page", false, "write docs/cli.md anew")

const pageFile = "../../../docs/cli.md"

// page prints a page of all commands.
func page(root *cobra.Command) string {
	var text strings.Builder
	text.WriteString("# The command line\n\n" +
		"<!-- Made from the commands themselves: go generate ./services/cmd/meshweir -->\n\n" +
		"Every command has `--help`; `meshweir completion` makes completion for your shell. Where the environment has\n" +
		"`MESHWEIR_REDIS_CONTROL`, it is the default of `--redis-control`. Exit codes: 0, 1 when something failed, 2 for a wrong call.\n")
	var index, sections strings.Builder
	for _, cmd := range leaves(root) {
		path := cmd.CommandPath()
		anchor := strings.ReplaceAll(path, " ", "-")
		fmt.Fprintf(&index, "| [`%s`](#%s) | %s |\n", path, anchor, cmd.Short)
		fmt.Fprintf(&sections, "\n## %s\n\n%s.\n", path, strings.TrimSuffix(cmd.Short, "."))
		if cmd.Long != "" {
			fmt.Fprintf(&sections, "\n```text\n%s\n```\n", strings.TrimSpace(cmd.Long))
		}
		fmt.Fprintf(&sections, "\n```console\n$ %s\n```\n", cmd.UseLine())
		if cmd.Example != "" {
			fmt.Fprintf(&sections, "\nExamples:\n\n```console\n%s\n```\n", strings.TrimRight(unindent(cmd.Example), "\n "))
		}
		var flags []string
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { flags = append(flags, flagRow(f)) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { flags = append(flags, flagRow(f)) })
		if len(flags) > 0 {
			fmt.Fprintf(&sections, "\n| flag | |\n|---|---|\n%s\n", strings.Join(flags, "\n"))
		}
	}
	fmt.Fprintf(&text, "\n| command | |\n|---|---|\n%s%s", index.String(), sections.String())
	return text.String()
}

// leaves returns the commands that do something, in the order of the help.
func leaves(cmd *cobra.Command) (found []*cobra.Command) {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			found = append(found, leaves(sub)...)
		}
	}
	return found
}

func unindent(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimPrefix(line, "  "))
	}
	return strings.Join(lines, "")
}

func flagRow(f *pflag.Flag) string {
	name, usage := pflag.UnquoteUsage(f)
	label := "`--" + strings.TrimSpace(f.Name+" "+name) + "`"
	if f.Shorthand != "" {
		label = "`-" + f.Shorthand + "`, " + label
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
		usage += " (default `" + f.DefValue + "`)"
	}
	return "| " + label + " | " + strings.ReplaceAll(usage, "|", "\\|") + " |"
}

func TestThePageOfCommandsIsWhatTheCommandsSay(t *testing.T) {
	code := 0
	want := page(commands(&code))
	if *updatePage {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/cli.md is stale: go generate ./services/cmd/meshweir")
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	code := 0
	for _, cmd := range leaves(commands(&code)) {
		if cmd.Example == "" && cmd.Name() != "version" {
			t.Errorf("%s has none", cmd.CommandPath())
		}
		if strings.Contains(cmd.Example, "\n") && !strings.HasPrefix(cmd.Example, "  ") {
			t.Errorf("%s: examples are indented by two", cmd.CommandPath())
		}
	}
}
