package kubernetes

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect returns how an API server is reached: as a context of a kubeconfig
// says, or, when both are empty, as the service account of the Pod that this
// process runs in. An empty context is the kubeconfig's current one; an empty kubeconfig with a context is where kubectl looks for it.
func Connect(kubeconfig, context string) (*rest.Config, error) {
	if kubeconfig == "" && context == "" {
		api, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, errors.New("reaching the API server: this is no Pod of a cluster: name a kubeconfig or a context")
		}
		if err != nil {
			return nil, fmt.Errorf("reaching the API server as the Pod's service account: %w", err)
		}
		return api, nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	api, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return api, nil
}
