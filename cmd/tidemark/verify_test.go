package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// The text names what is wrong with segments, what is stale and where holes are; without cubes it says nothing of them.
func TestVerifyText(t *testing.T) {
	r := &verify.Report{OK: true, Events: 7, Files: 2, Ranges: 2, Exceptions: map[string]int64{"gap": 1}}
	text := func() string {
		t.Helper()
		var buf bytes.Buffer
		if err := printReport(&buf, r); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
	want := "every offset is accounted for: 7 events in 2 files, 2 ranges, 1 gap\n"
	if d := cmp.Diff(want, text()); d != "" {
		t.Errorf("without cubes (-want +got):\n%s", d)
	}
	r.OK, r.Segments, r.Cubes = false, 3, []verify.CubeReport{{Cube: "views"}}
	r.Problems = []verify.Problem{{
		Kind: verify.ManifestMissing, Table: "default/events", Cube: "default/views", Segment: 2, Partition: -1,
		File: "segments/c/s.1/manifest.json", Message: "the store has no such object", Do: "build it again",
	}}
	r.StaleSegments = []verify.StaleSegment{{Cube: "default/views", Segment: 1, Why: "the ledger has x"}}
	r.Uncounted = []verify.UncountedSegment{{Cube: "default/views", Segment: 1, Why: "x was replaced"}}
	r.RetiredDamage = []verify.RetiredDamage{{Cube: "default/views", Segment: 1, File: "segments/c/r.1/cuboids-00000.parquet", Message: "the store has no such object"}}
	r.RetiredLeftOut = true
	r.Holes = []verify.Hole{{Cube: "default/views", Range: segmenter.Vector{{Start: 5, End: 9}}, After: 2, Before: 3}}
	want = `problem: cube default/views segment 2 file segments/c/s.1/manifest.json: manifest_missing: the store has no such object; build it again
stale: cube default/views segment 1: the ledger has x
not counted again: cube default/views segment 1: x was replaced
retired and damaged: cube default/views segment 1 file segments/c/r.1/cuboids-00000.parquet: the store has no such object
retired: only the oldest of the segments that clean-up has still to remove were looked at
hole: cube default/views p0 [5,9) between segments 2 and 3
1 problem: 7 events in 2 files, 2 ranges, 1 gap; 3 segments of 1 cubes, 0 cuboids, 1 stale, 1 holes
`
	if d := cmp.Diff(want, text()); d != "" {
		t.Errorf("with cubes (-want +got):\n%s", d)
	}
}
