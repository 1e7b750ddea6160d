package deploy

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeFile is what the tests look at in deploy/compose/compose.yaml.
type composeFile struct {
	Services map[string]composeService
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
}

type composeService struct {
	Image       string
	Build       struct{ Target, Dockerfile, Context string }
	Command     []string
	Environment map[string]string
	User        string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	MemLimit    string   `yaml:"mem_limit"`
	CPUs        float64  `yaml:"cpus"`
	PidsLimit   int      `yaml:"pids_limit"`
	NetworkMode string   `yaml:"network_mode"`
	Networks    []string
	Ports       []string
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
	Deploy      struct{ Replicas int }
	Profiles    []string
	CapAdd      []string `yaml:"cap_add"`
	Privileged  bool
}

// readCompose reads the compose file, and fills in variables that have a default as Compose does.
func readCompose(t *testing.T) composeFile {
	t.Helper()
	text := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`).ReplaceAllString(read(t, "deploy/compose/compose.yaml"), "$1")
	var file composeFile
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) < 8 {
		t.Fatalf("found %d services", len(file.Services))
	}
	return file
}

func TestComposeTellsProgramsWhatTheyUnderstand(t *testing.T) {
	for name, s := range readCompose(t).Services {
		container{"compose service " + name, s.Image, s.Command, s.Environment}.check(t)
		if target, ours := (container{image: s.Image}).ours(); ours && (s.Build.Target != target || path.Join("deploy/compose", s.Build.Context) != "." || s.Build.Dockerfile != "deploy/Dockerfile") {
			t.Errorf("%s: builds %+v as %s", name, s.Build, s.Image)
		}
	}
}

func TestComposeGivesNobodyMoreThanItNeeds(t *testing.T) {
	file := readCompose(t)
	for name, s := range file.Services {
		user, _, _ := strings.Cut(s.User, ":")
		switch {
		case user == "" || user == "0" || user == "root" || s.Privileged || len(s.CapAdd) > 0:
			t.Errorf("%s: runs as %q, want a user that may nothing", name, s.User)
		case !s.ReadOnly, !slices.Equal(s.CapDrop, []string{"ALL"}), !slices.Contains(s.SecurityOpt, "no-new-privileges:true"):
			t.Errorf("%s: its files can be written, or it keeps a privilege", name)
		case s.MemLimit == "" || s.CPUs == 0 || s.PidsLimit == 0:
			t.Errorf("%s: has no limits", name)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: publishes %s to more than this machine", name, port)
			}
		}
		if len(s.Ports) == 0 && slices.Contains(s.Networks, "outside") || len(s.Networks) == 0 && s.NetworkMode != "none" {
			t.Errorf("%s: is in the networks %v for no reason", name, s.Networks)
		}
		for of, on := range s.DependsOn {
			if want := map[bool]string{true: "service_completed_successfully", false: "service_healthy"}[of == "setup"]; on.Condition != want {
				t.Errorf("%s: starts when %s is %q, want %q", name, of, on.Condition, want)
			}
		}
	}
	if !file.Networks["inside"].Internal {
		t.Error("the network of Redis leads out")
	}
}

// TestSetupMakesWhatIsMounted runs the container setup's command, and looks where each password goes.
func TestSetupMakesWhatIsMounted(t *testing.T) {
	file := readCompose(t)
	setup := file.Services["setup"]
	folder := t.TempDir()
	args := slices.Clone(setup.Command)
	for i, arg := range args {
		args[i] = strings.Replace(arg, "--folder=/secrets", "--folder="+folder, 1)
	}
	meshweir(t.Context(), t, args...)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries { // the container can write to volumes only
		if !slices.ContainsFunc(setup.Volumes, func(mount string) bool { return strings.HasSuffix(mount, ":/secrets/"+entry.Name()) }) {
			t.Errorf("setup makes the folder %s, and has no volume for it", entry.Name())
		}
	}
	made := map[string]string{} // volume: the file in it
	dockerfile := read(t, "deploy/Dockerfile")
	for _, mount := range setup.Volumes {
		volume, at, _ := strings.Cut(mount, ":")
		name := strings.TrimPrefix(at, "/secrets/")
		if !regexp.MustCompile(`mkdir -m 0770 .*\b` + name + `\b`).MatchString(dockerfile) {
			t.Errorf("the image setup has no folder %s, so that the volume %s would belong to root", at, volume)
		}
		if _, there := file.Volumes[volume]; !there {
			t.Errorf("the volume %s is not declared", volume)
		}
		entries, err := os.ReadDir(filepath.Join(folder, name))
		if err != nil || len(entries) != 1 {
			t.Errorf("setup makes nothing for %s: %v, %v", at, entries, err)
			continue
		}
		for _, entry := range entries {
			made[volume] = entry.Name()
		}
	}
	for name, s := range file.Services {
		for _, address := range []string{s.Environment["MESHWEIR_REDIS_CONTROL"]} {
			user := regexp.MustCompile(`^redis://meshweir-([a-z-]+)@redis:6379\?password_file=/run/secrets/redis/password$`).FindStringSubmatch(address)
			if address == "" {
				continue
			}
			if user == nil || !slices.Contains(s.Volumes, user[1]+"-password:/run/secrets/redis:ro") || made[user[1]+"-password"] != "password" {
				t.Errorf("%s: logs in by %s, and has mounted %v", name, address, s.Volumes)
			}
		}
	}
	if redis := file.Services["redis"]; made["redis-users"] != "users.acl" || !slices.Contains(redis.Volumes, "redis-users:/users") || !slices.Contains(redis.Command, "/users/users.acl") {
		t.Errorf("Redis reads other users than setup makes: %v, %v", redis.Command, redis.Volumes)
	}
}

func TestPrometheusAsksEveryService(t *testing.T) {
	var config struct {
		ScrapeConfigs []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/prometheus.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, scrape := range config.ScrapeConfigs {
		for _, dns := range scrape.DNS {
			if asked = append(asked, dns.Names...); dns.Port != 8081 || !strings.Contains(read(t, "deploy/Dockerfile"), "ENV MESHWEIR_HEALTH_LISTEN=:8081\n") {
				t.Errorf("asks at port %d, where nobody listens", dns.Port)
			}
		}
	}
	slices.Sort(asked)
	var want []string
	for name, s := range readCompose(t).Services {
		if target, ours := (container{image: s.Image}).ours(); ours && target != "setup" && target != "meshweir" {
			want = append(want, name)
		}
	}
	if slices.Sort(want); !slices.Equal(asked, want) {
		t.Errorf("Prometheus asks %v, want %v", asked, want)
	}
}
