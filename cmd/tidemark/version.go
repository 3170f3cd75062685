package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/spf13/cobra"
)

// versions are those of the program and of what it is made of.
type versions struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // empty: it was not built in a checkout
	Go       string `json:"go"`
	DuckDB   string `json:"duckdb"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, its commit, and those of Go and DuckDB", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			v := versionsOf(info)
			v.DuckDB = duckdb.LibraryVersion()
			return a.print(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "tidemark %s, commit %s, %s, DuckDB %s, %s\n", v.Version, orUnknown(v.Commit), v.Go, v.DuckDB, v.Platform)
				return err
			})
		},
	}
}

// versionsOf reads what the compiler has written into the program; nil: nothing.
func versionsOf(info *debug.BuildInfo) versions {
	v := versions{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return v
	}
	if v.Version = info.Main.Version; v.Version == "" {
		v.Version = "(devel)"
	}
	changed := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	if changed && v.Commit != "" {
		v.Commit += " with changes"
	}
	return v
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// version is the module's version where go install or a checkout of a tag has built the program, else one made of the commit.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return versionsOf(info).Version
}
