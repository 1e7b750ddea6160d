package deploy

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPodsMayNothingThatTheyNeedNot(t *testing.T) {
	for _, overlay := range overlays() {
		b := build(t, overlay)
		for _, w := range b.workloads {
			spec := w.template.Spec
			at := overlay + ": " + w.name
			if pod := spec.SecurityContext; pod == nil || pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot || *pod.RunAsUser == 0 || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: may run as root, or without a seccomp profile", at)
			}
			if spec.HostNetwork || spec.HostPID || spec.HostIPC {
				t.Errorf("%s: shares the host's namespaces", at)
			}
			for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
				s := c.SecurityContext
				if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0 {
					t.Errorf("%s: %s: its files can be written, or it keeps a privilege", at, c.Name)
				}
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s: %s: asks for no CPU or memory, or has no limit of memory", at, c.Name)
				}
			}
			checkToken(t, at, b, w)
		}
	}
}

// checkToken wants a service account of its own for each, and a token of the API server for the agent alone.
func checkToken(t *testing.T, at string, b built, w workload) {
	t.Helper()
	needs := w.name == "meshweir-agent"
	if mounts := w.template.Spec.AutomountServiceAccountToken; !needs && (mounts == nil || *mounts) {
		t.Errorf("%s: is given a token of the API server, which it does not speak to", at)
	}
	for _, account := range b.accounts {
		if account.Name != w.template.Spec.ServiceAccountName {
			continue
		}
		if mounts := account.AutomountServiceAccountToken; account.Name != w.name || !needs && (mounts == nil || *mounts) {
			t.Errorf("%s: its service account is %s, and gives tokens away", at, account.Name)
		}
		return
	}
	t.Errorf("%s: its service account %q is not there", at, w.template.Spec.ServiceAccountName)
}

func TestProbesAskWhatIsAnswered(t *testing.T) {
	for _, overlay := range overlays() {
		for _, w := range build(t, overlay).workloads {
			for _, c := range w.template.Spec.Containers {
				at := overlay + ": " + w.name
				if c.LivenessProbe == nil || c.ReadinessProbe == nil {
					t.Errorf("%s: %s is asked neither whether it lives nor whether it is ready", at, c.Name)
					continue
				}
				for path, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
					if strings.HasPrefix(c.Image, "redis:") {
						if probe.Exec == nil || !strings.HasPrefix(probe.Exec.Command[2], "redis-cli ") {
							t.Errorf("%s: Redis is asked by %v", at, probe)
						}
						continue
					}
					listen := ""
					for _, arg := range c.Args {
						if value, ok := strings.CutPrefix(arg, "--health-listen=:"); ok {
							listen = value
						}
					}
					i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return probe.HTTPGet != nil && p.Name == probe.HTTPGet.Port.StrVal })
					if i < 0 || probe.HTTPGet.Path != path || strconv.Itoa(int(c.Ports[i].ContainerPort)) != listen {
						t.Errorf("%s: is asked by %+v, and answers %s at port %s", at, probe.HTTPGet, path, listen)
					}
				}
			}
		}
	}
}

// TestTheDashboardListensInItsPodOnly holds it to the promise in docs/install.md: it asks nobody who they are.
func TestTheDashboardListensInItsPodOnly(t *testing.T) {
	for _, overlay := range overlays()[:2] {
		for _, w := range build(t, overlay).workloads {
			if w.name == "meshweir-ui" && !slices.Contains(w.template.Spec.Containers[0].Args, "--listen=127.0.0.1:8080") {
				t.Errorf("%s: the dashboard listens to %v", overlay, w.template.Spec.Containers[0].Args)
			}
		}
	}
}

func TestVolumesAreThere(t *testing.T) {
	for _, overlay := range overlays() {
		for _, w := range build(t, overlay).workloads {
			there := w.claims
			for _, v := range w.template.Spec.Volumes {
				there = append(there, v.Name)
			}
			for _, c := range slices.Concat(w.template.Spec.InitContainers, w.template.Spec.Containers) {
				for _, mount := range c.VolumeMounts {
					if !slices.Contains(there, mount.Name) {
						t.Errorf("%s: %s mounts %s, the volumes are %v", overlay, w.name, mount.Name, there)
					}
				}
			}
		}
	}
}
