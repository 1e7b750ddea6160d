// Command agent is Meshweir's hand in one cluster: it publishes what the
// cluster holds, and applies what is meant for it. See package agent.
package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/meshweir/meshweir/pipeline/process"
	"github.com/meshweir/meshweir/services/agent"
	"github.com/meshweir/meshweir/services/agent/kubernetes"
	"github.com/meshweir/meshweir/services/cmd/launch"
)

func main() {
	process.Main(process.Program{
		Name:   "agent",
		About:  "publishes what one cluster holds and applies what is meant for it",
		Define: define,
	})
}

func define(flags *pflag.FlagSet) process.Run {
	var redis launch.Redis
	var cfg agent.Config
	var api kubernetes.Config
	var source, kubeconfig, kubecontext string
	redis.DefineFlags(flags)
	flags.StringVar(&cfg.Cluster, "cluster", "", "`name` of the cluster")
	process.Choice(flags, &source, "source", "what the cluster is", "files", "kubernetes")
	flags.StringVar(&cfg.Dir, "clusters", "", "of files: `directory` that holds the cluster's folder of manifests; what is applied goes into its sub-folder \"applied\"")
	flags.StringVar(&kubeconfig, "kubeconfig", "", "of kubernetes: `file` that says how the API server is reached (default: as the Pod's service account)")
	flags.StringVar(&kubecontext, "context", "", "of kubernetes: `name` of the context in the kubeconfig (default: its current one)")
	flags.StringVar(&api.Namespace, "namespace", "meshweir", "of kubernetes: `namespace` of the agent's own Lease and ConfigMap")
	flags.IntVar(&cfg.MaxObjectBytes, "max-object-bytes", 0, "size after pruning above which an object is reported and left out; 0 is 1 MiB")
	return func(ctx context.Context, env process.Env) error {
		switch {
		case cfg.Cluster == "":
			return process.UsageError{Err: errors.New("--cluster must be set")}
		case source == "files" && cfg.Dir == "":
			return process.UsageError{Err: errors.New("--clusters must be set, or --source=kubernetes")}
		case source == "kubernetes" && cfg.Dir != "":
			return process.UsageError{Err: errors.New("--clusters is for --source=files")}
		case source == "kubernetes":
			var err error
			if api.API, err = kubernetes.Connect(kubeconfig, kubecontext); err != nil {
				return process.UsageError{Err: err}
			}
			cfg.Kubernetes = &api
		}
		return launch.Agent(ctx, env, redis, cfg)
	}
}
