package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	yamldecode "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	agentmanifests "github.com/meshweir/meshweir/deploy/k8s/base/agent"
	"github.com/meshweir/meshweir/deploy/k8s/crds"
	"github.com/meshweir/meshweir/pipeline/redisconn"
)

// workload returns all that a workload cluster needs: the kinds of meshweir.io, the agent and its rights, and the
// Secret that tells the agent its cluster's name and how it reaches Redis. An empty image is the manifest's own.
func workload(cluster string, redis redisconn.Target, image string) ([]*unstructured.Unstructured, error) {
	definitions, err := fs.Glob(crds.Files(), "*.yaml")
	if err != nil {
		return nil, err
	}
	var texts [][]byte
	for _, name := range definitions {
		text, err := fs.ReadFile(crds.Files(), name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	text, err := agentmanifests.Manifests()
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, text := range append(texts, text) {
		read, err := decodeManifests(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, read...)
	}
	ofAgent, err := agentSecret(cluster, redis)
	if err != nil {
		return nil, err
	}
	last := len(objects) - 1 // the Deployment starts when its Secret is there
	objects = append(objects[:last], ofAgent, objects[last])
	if image != "" {
		err = setImage(objects[last+1], image)
	}
	return objects, err
}

func decodeManifests(text []byte) (objects []*unstructured.Unstructured, err error) {
	decoder := yamldecode.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text))
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the manifests of the agent: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

func setImage(deployment *unstructured.Unstructured, image string) error {
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		return fmt.Errorf("setting the image of the agent: its Deployment has %d containers, want one: %w", len(containers), err)
	}
	container, _ := containers[0].(map[string]any)
	container["image"] = image
	return unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers")
}

// agentSecret makes the Secret of an agent.
func agentSecret(cluster string, redis redisconn.Target) (*unstructured.Unstructured, error) {
	return redisSecret(agentmanifests.SecretName, map[string][]byte{agentmanifests.ClusterKey: []byte(cluster)}, redis)
}

// redisSecret makes the Secret that tells a Deployment how it reaches Redis, beside other data. Files that the address
// names go into it.
func redisSecret(name string, data map[string][]byte, redis redisconn.Target) (*unstructured.Unstructured, error) {
	for key, path := range map[string]*string{
		"password": &redis.PasswordFile, "sentinel-password": &redis.SentinelPasswordFile,
		"ca.crt": &redis.TLSCA, "tls.crt": &redis.TLSCert, "tls.key": &redis.TLSKey,
	} {
		if *path == "" {
			continue
		}
		content, err := os.ReadFile(*path)
		if err != nil {
			return nil, fmt.Errorf("reading a file for the Secret %s: %w", name, err)
		}
		data[key], *path = content, agentmanifests.Mount+"/"+key
	}
	if redis.Password != "" { // as a file it may change while the agent runs
		data["password"] = []byte(redis.Password)
		redis.Password, redis.PasswordFile = "", agentmanifests.Mount+"/password"
	}
	data[agentmanifests.URLKey] = []byte(redis.URL())
	return secret(name, data)
}

// secret makes a Secret in the namespace of the manifests.
func secret(name string, data map[string][]byte) (*unstructured.Unstructured, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: agentmanifests.Namespace},
		Data:       data,
	})
	if err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(object, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: object}, nil
}

// reachable refuses an address that means the machine that it is read on.
func reachable(t redisconn.Target) error {
	const mend = "; name the address by which the cluster reaches Redis with --agent-redis"
	if t.Mode == redisconn.ModeEmbedded {
		return errors.New("the Redis is an embedded one, which only this machine reaches" + mend)
	}
	for _, addr := range t.Addrs {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || host == "localhost" || ip != nil && ip.IsLoopback() {
			return fmt.Errorf("the Redis is at %s, which means another machine in another place%s", addr, mend)
		}
	}
	return nil
}

// printManifests prints objects as YAML documents.
func printManifests(out io.Writer, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err == nil {
			_, err = fmt.Fprintf(out, "---\n%s", text)
		}
		if err != nil {
			return fmt.Errorf("printing the manifests: %w", err)
		}
	}
	return nil
}
