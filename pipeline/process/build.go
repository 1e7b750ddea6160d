package process

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
)

// What the linker writes where a build has no repository around it, as in deploy/Dockerfile:
//
//	go build -ldflags "-X github.com/meshweir/meshweir/pipeline/process.version=1.2.3 -X ….commit=… -X ….date=…"
//
//nolint:gochecknoglobals // the linker can set nothing else
var version, commit, date string

// Build is what a program was built from.
type Build struct {
	// Version is that of the release, or Go's name of the commit; "unknown" when nobody said.
	Version string `json:"version"`
	// Commit is the hash of the source's commit, with "-dirty" behind it when files were changed; may be empty.
	Commit string `json:"commit,omitempty"`
	// Date is that of the commit, as RFC 3339; may be empty.
	Date string `json:"date,omitempty"`
	// Go is the version of Go that compiled it.
	Go string `json:"go"`
}

// BuildInfo says what the program was built from: what the linker was told, else what Go found in the repository.
func BuildInfo() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info, version, commit, date)
}

func buildOf(info *debug.BuildInfo, version, commit, date string) Build {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	found := settings["vcs.revision"]
	if found != "" && settings["vcs.modified"] == "true" {
		found += "-dirty"
	}
	return Build{
		Version: cmp.Or(strings.TrimPrefix(version, "v"), info.Main.Version, "unknown"),
		Commit:  cmp.Or(commit, found),
		Date:    cmp.Or(date, settings["vcs.time"]),
		Go:      cmp.Or(info.GoVersion, runtime.Version()),
	}
}

// Version returns the version that the program was built as: that of the release, or Go's name of the commit.
func Version() string { return BuildInfo().Version }
