package process

import (
	"runtime/debug"
	"testing"
)

func TestBuildIsWhatTheLinkerWasToldElseWhatGoFound(t *testing.T) {
	found := &debug.BuildInfo{
		GoVersion: "go1.26.1", Main: debug.Module{Version: "v0.0.0-1"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	for _, tt := range []struct {
		name                  string
		info                  *debug.BuildInfo
		version, commit, date string
		want                  Build
	}{
		{"from a repository", found, "", "", "", Build{"v0.0.0-1", "abc-dirty", "2026-01-02T03:04:05Z", "go1.26.1"}},
		{"as the linker was told", found, "v1.2.3", "def", "2026-05-06T07:08:09Z", Build{"1.2.3", "def", "2026-05-06T07:08:09Z", "go1.26.1"}},
		{"with nothing known", &debug.BuildInfo{GoVersion: "go1.26.1"}, "", "", "", Build{"unknown", "", "", "go1.26.1"}},
	} {
		if got := buildOf(tt.info, tt.version, tt.commit, tt.date); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
