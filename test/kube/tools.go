//go:build tools

// Package kube pins the API server that tests run, and what belongs to it. It
// is a module of its own: Kubernetes needs replacements that nothing else should
// get. `go run ./test/parts -build kube-apiserver,etcd,kubectl` builds them.
package kube

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
