package folder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/meshweir/meshweir/pipeline/keyspace"
	"github.com/meshweir/meshweir/schemas/internalv1"
	"github.com/meshweir/meshweir/schemas/resource"
	"github.com/meshweir/meshweir/services/agent/cluster"
	"github.com/meshweir/meshweir/services/agent/snapshot"
	"github.com/meshweir/meshweir/services/agent/strict"
)

// AppliedDir is the name, beside the clusters' folders, of the folder that
// Meshweir writes to. No cluster can have it.
const AppliedDir = "applied"

// Config says which folder, and how it is watched.
type Config struct {
	// Dir holds a folder for each cluster. Required.
	Dir string
	// Cluster is the cluster's name, and that of its folder. Required.
	Cluster string
	// Quiet is how long a change waits for others that belong to it. Default 50 ms.
	Quiet time.Duration
	// Rescan is how often the folder is looked through without a sign of change. Default 10 s.
	Rescan time.Duration
	// MaxFileBytes is the size above which a file is not read. Default 64 MiB.
	MaxFileBytes int64
	// MaxObjectBytes is the size after pruning above which an object is refused. Default 1 MiB.
	MaxObjectBytes int
}

// Folder is one cluster. It is safe for concurrent use.
type Folder struct {
	log     *slog.Logger
	cfg     Config
	reducer *snapshot.Reducer
	checker *strict.Checker
	// applied is the folder that we write to.
	applied *os.Root
	lock    *os.File

	mu sync.Mutex // guards what follows
	// files holds what was last read of each file of both folders.
	files map[string]*file
	// claims holds, for each object, the files that contain it.
	claims map[resource.Key][]string
	// touched are the objects that may differ from what was delivered; changed says that problems may.
	touched   map[resource.Key]struct{}
	changed   bool
	delivered map[resource.Key][]byte
	reported  map[resource.Key][]byte
	memory    memory
	// warned are the problems that were logged.
	warned map[internalv1.ManifestProblemSpec]bool
	// parsed holds the files of the applied folder and of its status folder; holders are, for each object, those of the first that hold it.
	parsed  map[string]parsedFile
	holders map[resource.Key][]string
	// manifests is the folder of the manifests; empty for that of the cluster in cfg.Dir.
	manifests string
	// keepDocuments keeps the text of what was read, to find its fields again.
	keepDocuments bool
}

// Open prepares a cluster's folder and keeps other agents from it until Close.
func Open(log *slog.Logger, cfg Config) (*Folder, error) {
	f, err := newFolder(log, "", cfg)
	if err != nil {
		return nil, fmt.Errorf("opening a cluster's folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(f.appliedDir(), statusDir), 0o755); err != nil { //nolint:gosec // G301: manifests are for everybody on the machine to read
		return nil, fmt.Errorf("making the folder for what is applied: %w", err)
	}
	if f.lock, err = lockFile(filepath.Join(f.appliedDir(), lockName)); err != nil {
		return nil, err
	}
	if f.applied, err = os.OpenRoot(f.appliedDir()); err == nil {
		err = f.loadMemory()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// newFolder returns a folder of which nothing was read. It touches nothing.
func newFolder(log *slog.Logger, manifests string, cfg Config) (*Folder, error) {
	if cfg.Dir == "" && manifests == "" {
		return nil, errors.New("the Dir is missing")
	}
	if _, err := keyspace.NewName("snapshot", cfg.Cluster); err != nil {
		return nil, err
	}
	if cfg.Cluster == AppliedDir {
		return nil, fmt.Errorf("no cluster can be named %q, that folder is Meshweir's to write: rename it", AppliedDir)
	}
	cfg.Quiet = cmp.Or(cfg.Quiet, 50*time.Millisecond)
	cfg.Rescan = cmp.Or(cfg.Rescan, 10*time.Second)
	cfg.MaxFileBytes = cmp.Or(cfg.MaxFileBytes, 64<<20)
	checker, err := strict.New()
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", cfg.Cluster, err)
	}
	f := &Folder{
		log: log, cfg: cfg, reducer: snapshot.NewReducer(cfg.MaxObjectBytes), checker: checker,
		files: map[string]*file{}, claims: map[resource.Key][]string{}, touched: map[resource.Key]struct{}{},
		changed: true, delivered: map[resource.Key][]byte{}, parsed: map[string]parsedFile{}, holders: map[resource.Key][]string{}, manifests: manifests,
	}
	if info, err := os.Stat(f.manifestDir()); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", cfg.Cluster, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("cluster %q: %s is a file, not a folder", cfg.Cluster, f.manifestDir())
	}
	return f, nil
}

// Close lets other agents at the folder.
func (f *Folder) Close() {
	if f.applied != nil {
		f.applied.Close()
	}
	f.lock.Close()
}

// Lead calls work: a folder has one agent, see [Open].
func (f *Folder) Lead(ctx context.Context, work func(context.Context) error, _ func(cluster.Idle)) error {
	return work(ctx)
}

func (f *Folder) manifestDir() string {
	return cmp.Or(f.manifests, filepath.Join(f.cfg.Dir, f.cfg.Cluster))
}

func (f *Folder) appliedDir() string { return filepath.Join(f.cfg.Dir, AppliedDir, f.cfg.Cluster) }
