package kubernetes

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
)

// memory is the agent's ConfigMap: how far each kind of keyspace was applied.
type memory struct {
	version   string
	positions map[string]keyspace.Position
}

func configMaps() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

// remember reads the ConfigMap. It waits for the API server.
func (c *Cluster) remember(ctx context.Context) {
	for attempt := 0; ; attempt++ {
		m, err := c.readMemory(ctx)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.memory = m
			return
		}
		if attempt == 0 {
			c.log.WarnContext(ctx, "what was applied last is not known yet", "error", err)
		}
		if !c.reach.pause(ctx, cluster.Backoff(attempt+1)) {
			return
		}
	}
}

func (c *Cluster) readMemory(ctx context.Context) (memory, error) {
	object, err := withTimeout(ctx, func(ctx context.Context) (*unstructured.Unstructured, error) {
		return c.objects.Resource(configMaps()).Namespace(c.cfg.Namespace).Get(ctx, Name, metav1.GetOptions{})
	})
	m := memory{positions: map[string]keyspace.Position{}}
	if apierrors.IsNotFound(err) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("reading the ConfigMap %s/%s: %w", c.cfg.Namespace, Name, err)
	}
	m.version = object.GetResourceVersion()
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	for kind, text := range data {
		position, err := keyspace.ParsePosition(text)
		if err != nil {
			return m, fmt.Errorf("reading the ConfigMap %s/%s: %s: %w: correct it, or remove it if nothing was ever applied", c.cfg.Namespace, Name, kind, err)
		}
		m.positions[kind] = position
	}
	return m, nil
}

// LastApplied returns how far a kind of keyspace was applied; zero for not at all.
func (c *Cluster) LastApplied(kind string) keyspace.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.memory.positions[kind]
}

// SetLastApplied remembers, in the cluster, how far a kind of keyspace was applied. It fails when another replica went on since this one began to lead.
func (c *Cluster) SetLastApplied(kind string, p keyspace.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memory.positions[kind] == p {
		return nil
	}
	positions := maps.Clone(c.memory.positions)
	if positions == nil {
		positions = map[string]keyspace.Position{}
	}
	positions[kind] = p
	version, err := withTimeout(context.Background(), func(ctx context.Context) (string, error) {
		version, err := c.writeMemory(ctx, positions)
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
			return c.rewriteMemory(ctx, positions, err)
		}
		return version, err
	})
	if err != nil {
		return fmt.Errorf("remembering how far the output was applied, in the ConfigMap %s/%s: %w", c.cfg.Namespace, Name, err)
	}
	c.memory = memory{version, positions}
	return nil
}

// rewriteMemory writes once more when somebody touched or removed the ConfigMap, but another replica did not go on.
func (c *Cluster) rewriteMemory(ctx context.Context, positions map[string]keyspace.Position, why error) (version string, err error) {
	now, err := c.readMemory(ctx)
	if err != nil {
		return "", err
	}
	knew := c.memory
	c.memory = now
	if now.version != "" && !maps.Equal(now.positions, knew.positions) {
		return "", why
	}
	return c.writeMemory(ctx, positions)
}

func (c *Cluster) writeMemory(ctx context.Context, positions map[string]keyspace.Position) (version string, err error) {
	data := map[string]any{}
	for kind, position := range positions {
		data[kind] = position.String()
	}
	meta := map[string]any{
		"namespace": c.cfg.Namespace, "name": Name,
		"labels": map[string]any{resource.ManagedByLabel: resource.ManagedBy},
	}
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}}
	maps := c.objects.Resource(configMaps()).Namespace(c.cfg.Namespace)
	var got *unstructured.Unstructured
	if c.memory.version == "" {
		got, err = maps.Create(ctx, object, metav1.CreateOptions{FieldManager: resource.ManagedBy})
	} else {
		object.SetResourceVersion(c.memory.version)
		got, err = maps.Update(ctx, object, metav1.UpdateOptions{FieldManager: resource.ManagedBy})
	}
	if err != nil {
		return "", err
	}
	return got.GetResourceVersion(), nil
}
