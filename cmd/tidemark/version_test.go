package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionsComeFromTheBuild(t *testing.T) {
	setting := func(k, v string) debug.BuildSetting { return debug.BuildSetting{Key: k, Value: v} }
	for name, c := range map[string]struct {
		info            *debug.BuildInfo
		version, commit string
	}{
		"nothing is known":   {nil, "unknown", ""},
		"a test":             {&debug.BuildInfo{}, "(devel)", ""},
		"by go install":      {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3", ""},
		"in a checkout":      {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{setting("vcs.modified", "false"), setting("vcs.revision", "ab12")}}, "v1.2.3", "ab12"},
		"in a changed one":   {&debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.modified", "true"), setting("vcs.revision", "ab12")}}, "(devel)", "ab12 with changes"},
		"changed, no commit": {&debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.modified", "true")}}, "(devel)", ""},
	} {
		if got := versionsOf(c.info); got.Version != c.version || got.Commit != c.commit || got.Go == "" || got.Platform == "" {
			t.Errorf("%s: got %+v, want version %q and commit %q", name, got, c.version, c.commit)
		}
	}
}
