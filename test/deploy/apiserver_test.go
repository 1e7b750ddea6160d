package deploy

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshweir/meshweir/pipeline/pipelinetest/apiserver"
)

const pods = "/api/v1/namespaces/meshweir/pods"

// TestARealAPIServerTakesTheManifests applies each overlay, and makes the Pods that its workloads describe, which
// the namespace holds to the Pod Security Standard "restricted".
func TestARealAPIServerTakesTheManifests(t *testing.T) {
	t.Parallel()
	server := apiserver.Start(t, apiserver.Config{})
	for _, overlay := range overlays() {
		b := build(t, overlay)
		server.Apply(b.text)
		server.Apply(b.text) // as an upgrade does
		for _, w := range b.workloads {
			answer := server.Do(podOf(t, w, nil))
			if answer.Code != http.StatusCreated {
				t.Errorf("%s: a Pod of %s: %d %s", overlay, w.name, answer.Code, answer.Body)
			}
			loose := server.Do(podOf(t, w, func(spec *corev1.PodSpec) { spec.Containers[0].SecurityContext = nil }))
			if loose.Code != http.StatusForbidden || !strings.Contains(string(loose.Body), "PodSecurity") {
				t.Errorf("%s: a Pod of %s that may more: %d %s, want that Pod Security refuses it", overlay, w.name, loose.Code, loose.Body)
			}
		}
		server.Remove(pruned(b.text))
	}
	server.Apply(meshweir(t.Context(), t, "acl", "--agents", "local", "-o", "secrets", "--secrets", filepath.Join(t.TempDir(), "passwords.yaml")))
}

// pruned leaves the namespace out: without controllers nothing ends what is in it.
func pruned(text string) string {
	var documents []string
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !strings.Contains(document, "kind: Namespace") {
			documents = append(documents, document)
		}
	}
	return strings.Join(documents, "\n---\n")
}

// podOf asks for a Pod as the workload's controller would.
func podOf(t *testing.T, w workload, change func(*corev1.PodSpec)) apiserver.Request {
	t.Helper()
	spec := w.template.Spec.DeepCopy()
	for _, claim := range w.claims {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim + "-" + w.name + "-0"},
		}})
	}
	if change != nil {
		change(spec)
	}
	body, err := json.Marshal(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: w.name + "-", Labels: w.template.Labels},
		Spec:       *spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return apiserver.Request{Method: http.MethodPost, Path: pods + "?fieldValidation=Strict", Body: body}
}
