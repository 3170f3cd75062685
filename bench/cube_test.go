package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rowOf returns the cells of the table's row that begins so, by the head of their column.
func rowOf(t *testing.T, text, begins string) map[string]string {
	t.Helper()
	var head []string
	for line := range strings.Lines(text) {
		cols := strings.Split(strings.Trim(line, "| \n"), " | ")
		switch {
		case strings.HasPrefix(line, "| cube |"):
			head = cols
		case strings.HasPrefix(line, begins):
			if len(cols) != len(head) {
				t.Fatalf("%d columns below a head of %d: %s", len(cols), len(head), line)
			}
			out := map[string]string{}
			for i, c := range cols {
				out[head[i]] = c
			}
			return out
		}
	}
	t.Fatalf("no row begins %q:\n%s", begins, text)
	return nil
}

// Runs are compared with tidemark's of the same events only, and a union with its merge.
func TestCubeTableComparesWhatBelongsTogether(t *testing.T) {
	usage := func(cpu float64) processUsage { return processUsage{CPUSeconds: cpu, PeakRSSBytes: 1 << 20} }
	r := cubeReport{Memory: "512MiB", Runs: []cubeRun{
		{Cube: "all", Contender: "tidemark", Events: 100, Rate: 10_000, Cells: 300, Seconds: 2, Process: usage(4)},
		{Cube: "all", Contender: "tidemark", Events: 100, Rate: 250, Cells: 900, Seconds: 8, Process: usage(16)},
		{Cube: "all", Contender: "duckdb sets", Events: 100, Rate: 250, Cells: 900, Seconds: 16, Process: usage(64), OtherCores: 0.55},
		{Cube: "12 segments by hour", Contender: "tidemark", Events: 200, Rate: 250, Input: 500, Cells: 100, Seconds: 3, Process: usage(3)},
		{Cube: "12 segments by hour", Contender: "tidemark, their union", Events: 200, Rate: 250, Cells: 100, Seconds: 6, Process: usage(9)},
	}}
	text := r.markdown()
	for begins, want := range map[string]map[string]string{
		"| all | 100 | 250 | duckdb sets":                           {"to tidemark": "2.00", "CPU to tidemark": "4.00", "cells/event": "9.00", "cores of others": "0.6"},
		"| all | 100 | 10000 | tidemark":                            {"to tidemark": "1.00", "cells/event": "3.00", "cells in/event": "-"},
		"| 12 segments by hour | 200 | 250 | tidemark |":            {"cells in/event": "2.50", "cells/event": "0.50", "CPU s": "3.0"},
		"| 12 segments by hour | 200 | 250 | tidemark, their union": {"to tidemark": "2.00", "CPU to tidemark": "3.00", "CPU s": "9.0"},
	} {
		got := rowOf(t, text, begins)
		for col, v := range want {
			if got[col] != v {
				t.Errorf("row %q: %s is %q, want %q", begins, col, got[col], v)
			}
		}
	}
}

// The newest manifest of a cube is the one that was made last, not that of the last folder.
func TestManifestsComeByAge(t *testing.T) {
	data := t.TempDir()
	for i, m := range []struct {
		cube    string
		created int
		rows    int
	}{{"a", 30, 7}, {"a", 10, 5}, {"b", 40, 9}, {"a", 20, 6}} {
		dir := filepath.Join(data, "store", "segments", "c1", fmt.Sprint(i))
		text := fmt.Sprintf(`{"cube":%q,"created_us":%d,"cuboids":[{"rows":%d,"bytes":2},{"rows":1,"bytes":3}],"files":[{"sha256":"ab"}]}`, m.cube, m.created, m.rows)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := manifests(data, "a")
	if err != nil {
		t.Fatal(err)
	}
	var cells []int64
	for _, m := range list {
		cells = append(cells, m.cells())
	}
	if got := fmt.Sprint(cells); got != "[6 7 8]" {
		t.Errorf("cells of the manifests, oldest first: %s, want [6 7 8]", got)
	}
	var r cubeRun
	if err := r.readManifest(data, "a"); err != nil || r.Cells != 8 || r.Bytes != 5 || r.digest != "ab" {
		t.Errorf("newest manifest: %d cells, %d bytes, digest %q, %v; want 8, 5, ab", r.Cells, r.Bytes, r.digest, err)
	}
	if _, err := manifests(data, "c"); err == nil {
		t.Error("a cube without a manifest gave no error")
	}
}
