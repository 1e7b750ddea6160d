package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// applier applies manifests to a cluster, by server-side apply.
type applier struct {
	client dynamic.Interface
	mapper meta.RESTMapper
}

// newApplier connects to an API server.
func newApplier(api *rest.Config) (*applier, error) {
	finder, err := discovery.NewDiscoveryClientForConfig(api)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	client, err := dynamic.NewForConfig(api)
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	if _, err := finder.ServerVersion(); err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w; see --kubeconfig and --context", err)
	}
	return &applier{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(finder))}, nil
}

// apply applies objects in their order, or, with metav1.DryRunAll, asks whether that would be taken. It takes over no field that
// somebody else has set otherwise.
func (a *applier) apply(ctx context.Context, objects []*unstructured.Unstructured, dryRun ...string) error {
	for _, object := range objects {
		kind := object.GroupVersionKind()
		mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err == nil {
			of := a.client.Resource(mapping.Resource).Namespace(object.GetNamespace())
			_, err = of.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "meshweir-cli", DryRun: dryRun})
		}
		if apierrors.IsConflict(err) {
			err = fmt.Errorf("%w; to take these fields over, print the manifests and apply them with kubectl apply --server-side --force-conflicts", err)
		}
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
	return nil
}
