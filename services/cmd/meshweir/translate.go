package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/agent/folder"
	"github.com/meshweir/meshweir/services/cmd/meshweir/offline"
)

// translation is what `meshweir translate` is asked for.
type translation struct {
	from, cluster, outDir string
}

func translateCommand(code *int) *cobra.Command {
	var t translation
	cmd := &cobra.Command{
		Use: "translate -f PATH", Short: "Translate manifests to what each cluster would be given", Args: cobra.NoArgs,
		Long: `Reads manifests and prints the Istio resources that Meshweir would make of them, by the code of its agents and its
translator. It needs no Redis and no cluster, and writes nothing beside the manifests.

PATH is a directory with a folder for each cluster, as for ` + "`meshweir up --clusters`" + `; with --cluster, the folder or the file of
that one cluster; or - for the manifests of one cluster on standard input.

What is wrong is told on standard error, one finding a line, with file, line and field; all else is translated. The exit
code is 1 when anything is wrong, and 2 when the command itself is. Two things are told that do not count as wrong: kinds of the
Gateway API that Meshweir makes nothing of, which others may want, and what the insights on configuration (CFG...) say of the
manifests, such as a route of a gateway that is not there: it may be in the cluster, and in no manifest.

With -o, files of objects that are made no more stay as they are: give it an empty directory before you apply what is in it.`,
		Example: `  meshweir translate -f ./fleet
  meshweir translate -f ./fleet -o ./rendered                    # a folder for each cluster, a file for each object
  meshweir translate -f ./fleet/east --cluster east > east.yaml
  kubectl get gateways,httproutes,services -A -o yaml | meshweir translate -f - | kubectl diff -f -`,
		Run: func(cmd *cobra.Command, _ []string) {
			sound, err := t.run(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if *code = process.ExitCode(err); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "meshweir: %v\n", err)
			} else if !sound {
				*code = process.ExitFailure
			}
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&t.from, "filename", "f", "", "`path` of the manifests, or - for standard input")
	flags.StringVar(&t.cluster, "cluster", "", "`name` of the one cluster that all manifests are of (of standard input: default \"cluster\")")
	flags.StringVarP(&t.outDir, "output-dir", "o", "", "`directory` to write to instead of standard output")
	return cmd
}

// run translates, and says whether nothing was wrong with the manifests.
func (t translation) run(in io.Reader, out, notes io.Writer) (sound bool, err error) {
	folders, forget, err := t.folders(in)
	if err != nil {
		return false, process.UsageError{Err: err}
	}
	defer forget()
	result, err := offline.Translate(folders)
	if err != nil {
		return false, process.UsageError{Err: err}
	}
	sound = true
	for _, f := range result.Findings {
		sound = sound && f.Minor
		fmt.Fprintln(notes, f)
	}
	if t.outDir != "" {
		return sound, writeObjects(t.outDir, result.Objects)
	}
	for _, o := range result.Objects {
		if _, err := fmt.Fprintf(out, "---\n# cluster %s\n%s", o.Cluster, o.YAML); err != nil {
			return sound, fmt.Errorf("printing: %w", err)
		}
	}
	return sound, nil
}

// folders returns the folder of each cluster. forget removes what was made for it.
func (t translation) folders(in io.Reader) (folders map[string]string, forget func(), err error) {
	if t.from == "" {
		return nil, nil, errors.New("no manifests are named: give -f PATH, or -f - for standard input")
	}
	if t.from == "-" {
		return t.single(in, "stdin.yaml", "cluster")
	}
	info, err := os.Stat(t.from)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for manifests: %w", err)
	}
	if !info.IsDir() {
		file, err := os.Open(t.from)
		if err != nil {
			return nil, nil, fmt.Errorf("reading manifests: %w", err)
		}
		defer file.Close()
		return t.single(file, filepath.Base(t.from), "cluster")
	}
	if t.cluster != "" {
		return map[string]string{t.cluster: t.from}, func() {}, nil
	}
	names, refused, err := clusterFolders(t.from)
	if err := errors.Join(append(refused, err)...); err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s has no folder of a cluster: if it is the folder of one cluster, name that by --cluster", t.from)
	}
	loose, err := manifestIn(t.from)
	if err != nil {
		return nil, nil, err
	}
	if loose != "" {
		return nil, nil, fmt.Errorf("%s lies beside the folders of clusters: move it into one, or, if %s is the folder of one cluster, name that by --cluster",
			filepath.Join(t.from, loose), t.from)
	}
	folders = map[string]string{}
	for _, name := range names {
		folders[name] = filepath.Join(t.from, name)
	}
	return folders, func() {}, nil
}

// single puts the manifests of one cluster into a folder of their own, where the reader of folders finds them.
func (t translation) single(in io.Reader, name, cluster string) (folders map[string]string, forget func(), err error) {
	if t.cluster != "" {
		cluster = t.cluster
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifests: %w", err)
	}
	dir, err := os.MkdirTemp("", "meshweir-translate-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for the manifests: %w", err)
	}
	forget = func() { os.RemoveAll(dir) }
	if !folder.IsManifest(name) || strings.HasPrefix(name, ".") { // as of a pipe: that reader goes by names
		name = strings.TrimLeft(name, ".") + ".yaml"
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		forget()
		return nil, nil, fmt.Errorf("making a folder for the manifests: %w", err)
	}
	return map[string]string{cluster: dir}, forget, nil
}

// manifestIn returns the name of a manifest in dir itself, or "".
func manifestIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if !entry.IsDir() && folder.IsManifest(entry.Name()) && !strings.HasPrefix(entry.Name(), ".") {
			return entry.Name(), nil
		}
	}
	return "", err
}

// writeObjects writes a file for each object, in a folder for each cluster. Files that are there already and of no object stay.
func writeObjects(dir string, objects []offline.Object) error {
	for _, o := range objects {
		name := strings.ReplaceAll(o.Key.String(), "/", "_") + ".yaml"
		if err := os.MkdirAll(filepath.Join(dir, o.Cluster), 0o755); err != nil { //nolint:gosec // G301: manifests are for everybody on the machine to read
			return fmt.Errorf("writing objects: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, o.Cluster, name), o.YAML, 0o644); err != nil { //nolint:gosec // G306: as above
			return fmt.Errorf("writing objects: %w", err)
		}
	}
	return nil
}
