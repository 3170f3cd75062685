package verify_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func TestCleanSegments(t *testing.T) {
	for _, format := range []string{"parquet", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			s, _, _ := builtSite(t, format)
			r := s.verify()
			s.clean(r)
			if r.Segments != 3 || len(r.StaleSegments) != 0 || len(r.Cubes) != 1 {
				t.Errorf("%d segments, %d stale, %d cubes, want 3, 0, 1", r.Segments, len(r.StaleSegments), len(r.Cubes))
			}
			if r.Cubes[0].Recounted != 2 || len(r.Uncounted) != 0 {
				t.Errorf("%d segments counted again, not %v, want the 2 with cuboids", r.Cubes[0].Recounted, r.Uncounted)
			}
			if c := r.Cubes[0]; c.Cube != "views" || c.Table != "events" || c.Segments != 3 || c.Holes != 1 || c.Events == 0 || c.Events >= r.Events ||
				c.Cuboids != 6 || c.Cells == 0 || c.Bare != 1 || c.SecondRead != 2 || r.Cuboids != 6 {
				t.Errorf("cube report %+v of %d events", c, r.Events)
			}
			if len(r.Holes) != 1 || r.Holes[0].Offsets != 6 || !r.Holes[0].Staged || r.Holes[0].After != 4 || r.Holes[0].Before != 5 {
				t.Errorf("holes %+v, want one of the 6 offsets between segments 4 and 5, staged", r.Holes)
			}
		})
	}
}

func TestNoSegments(t *testing.T) {
	s := fullSite(t, "parquet")
	s.applyCube()
	r := s.verify()
	s.clean(r)
	if r.Segments != 0 || len(r.Cubes) != 1 || r.Holes == nil || r.StaleSegments == nil {
		t.Errorf("report %+v", r)
	}
}

// names fails unless the only problem is of this kind, with this segment, and names the file.
func (s *site) names(t *testing.T, want verify.Kind, segment int64, file string) {
	t.Helper()
	r := s.verify()
	p := s.finds(r, want)
	if p.Cube != "default/views" || p.Segment != segment || p.File != file || len(r.Problems) != 1 {
		t.Errorf("got %v\nwant one %s of segment %d in file %q", r.Problems, want, segment, file)
	}
	if !strings.Contains(p.String(), "cube default/views segment") {
		t.Errorf("the problem does not name its cube and segment: %s", p)
	}
}

func TestDamagedSegmentsAreNamed(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	manifest := folders[1] + "/" + segmenter.ManifestName
	cuboids := folders[1] + "/cuboids-00000.parquet"
	extra := folders[1] + "/cuboids-7.parquet"
	tests := []struct {
		name, file string
		want       verify.Kind
		damage     func(t *testing.T, c *site)
	}{
		{"manifest cut", manifest, verify.ManifestUnreadable, func(t *testing.T, c *site) { must(t, os.Truncate(c.path(manifest), 300)) }},
		{"manifest empty", manifest, verify.ManifestUnreadable, func(t *testing.T, c *site) { must(t, os.Truncate(c.path(manifest), 0)) }},
		{"manifest absent", manifest, verify.ManifestMissing, func(t *testing.T, c *site) { must(t, os.Remove(c.path(manifest))) }},
		{"folder absent", manifest, verify.ManifestMissing, func(t *testing.T, c *site) { must(t, os.RemoveAll(filepath.Dir(c.path(manifest)))) }},
		{"manifest of another segment", manifest, verify.ManifestMismatch, func(t *testing.T, c *site) {
			other, err := os.ReadFile(c.path(folders[2] + "/" + segmenter.ManifestName))
			must(t, err)
			must(t, os.WriteFile(c.path(manifest), other, 0o600))
		}},
		{"blanks behind the manifest", manifest, verify.ManifestMismatch, func(t *testing.T, c *site) {
			text, err := os.ReadFile(c.path(manifest))
			must(t, err)
			must(t, os.WriteFile(c.path(manifest), append(text, ' '), 0o600))
		}},
		{"a number in a note of the manifest", manifest, verify.ManifestMismatch, func(t *testing.T, c *site) {
			text, err := os.ReadFile(c.path(manifest))
			must(t, err)
			must(t, os.WriteFile(c.path(manifest), bytes.Replace(text, []byte(`"revision": 17`), []byte(`"revision": 71`), 1), 0o600))
		}},
		{"cuboid file changed", cuboids, verify.FileChanged, func(t *testing.T, c *site) { must(t, os.WriteFile(c.path(cuboids), []byte("cuboid!"), 0o600)) }},
		{"cuboid file longer", cuboids, verify.FileChanged, func(t *testing.T, c *site) { must(t, os.WriteFile(c.path(cuboids), []byte("cuboidss"), 0o600)) }},
		{"cuboid file absent", cuboids, verify.FileMissing, func(t *testing.T, c *site) { must(t, os.Remove(c.path(cuboids))) }},
		{"an object that nobody names", extra, verify.SegmentExtra, func(t *testing.T, c *site) { must(t, os.WriteFile(c.path(extra), nil, 0o600)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			tt.damage(t, c)
			c.names(t, tt.want, 4, tt.file)
		})
	}
}

// What a merged segment says of those that it replaced is in their rows.
func TestReplacedIDs(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	manifest := folders[0] + "/" + segmenter.ManifestName
	text, err := os.ReadFile(s.path(manifest))
	must(t, err)
	at := bytes.Index(text, []byte(`"segment_id": "`)) + len(`"segment_id": "`)
	at += bytes.Index(text[at:], []byte(`"segment_id": "`)) + len(`"segment_id": "`) // the first is its own
	text[at] = map[bool]byte{true: '1', false: '0'}[text[at] == '0']                 // another id, not something else
	must(t, os.WriteFile(s.path(manifest), text, 0o600))
	s.names(t, verify.ManifestMismatch, 3, manifest)
}

// Each row is one change of the catalog by hand.
func TestEditedSegmentRowsAreFound(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	manifest := folders[1] + "/" + segmenter.ManifestName
	const four = ` WHERE number = 4`
	tests := []struct {
		name, sql, file string
		want            verify.Kind
	}{
		{"events", `UPDATE segments SET events = events + 1` + four, manifest, verify.ManifestMismatch},
		{"events of a part", `UPDATE segments SET parts = REPLACE(parts, '"gaps":0', '"gaps":1')` + four, manifest, verify.ManifestMismatch},
		{"lowest time", `UPDATE segments SET min_time_us = min_time_us + 1` + four, manifest, verify.ManifestMismatch},
		{"highest time", `UPDATE segments SET max_time_us = max_time_us - 1` + four, manifest, verify.ManifestMismatch},
		{"bytes", `UPDATE segments SET bytes = bytes - 1` + four, manifest, verify.ManifestMismatch},
		{"reason", `UPDATE segments SET reason = 'because'` + four, manifest, verify.ManifestMismatch},
		{"creation", `UPDATE segments SET created_us = created_us + 1` + four, manifest, verify.ManifestMismatch},
		{"what it replaces", `UPDATE segments SET replaces = '[1]'` + four, manifest, verify.ManifestMismatch},
		{"start", `UPDATE segments SET ranges = REPLACE(ranges, '"start":40,"end":95', '"start":41,"end":95')` + four, manifest, verify.ManifestMismatch},
		{"range that is none", `UPDATE segments SET ranges = 'x'` + four, "", verify.SegmentUnreadable},
		{"definition", `UPDATE cube_versions SET definition = REPLACE(definition, '"ok"', '"id"')`, "", verify.ManifestMismatch},
		{"definition that is none", `UPDATE cube_versions SET definition = '['`, "", verify.SegmentUnreadable},
		{"another folder", `UPDATE segments SET attempt = attempt + 9` + four, "", verify.ManifestMissing},
		{"another id", `UPDATE segments SET id = REPLACE(id, substr(id, 1, 8), '00000000')` + four, "", verify.ManifestMissing},
		{"ranges that overlap", `UPDATE segments SET ranges = REPLACE(ranges, '"start":101', '"start":90') WHERE number = 5`, "", verify.SegmentOverlap},
		{"ranges of two that are one", `UPDATE segments SET state = 'ready' WHERE number = 2`, "", verify.SegmentOverlap},
		{"offsets behind the ledger", `UPDATE segments SET state = 'new', id = '', parts = '[]', events = 0, min_time_us = 0, max_time_us = 0,
			ranges = REPLACE(ranges, '"start":40,"end":95', '"start":30,"end":95')` + four, "", verify.SegmentOverlap},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			c.sql(tt.sql)
			p := c.finds(c.verify(), tt.want)
			if (p.Cube != "default/views" && tt.want != verify.SegmentUnreadable) || (tt.file != "" && (p.File != tt.file || p.Segment != 4)) {
				t.Errorf("problem %s, want file %q of segment 4", p, tt.file)
			}
		})
	}
}

// Manifests that are well formed and agree with the catalog, but not with what was staged.
func TestForgedSegmentsAreFound(t *testing.T) {
	s := fullSite(t, "parquet")
	id := s.applyCube()
	v := segmenter.Vector{line(0, 13, 60), line(1, 0, 55)}
	tests := []struct {
		name   string
		want   verify.Kind
		change func(m *segmenter.Manifest)
	}{
		{"an event called a gap", verify.SegmentCounts, func(m *segmenter.Manifest) { m.Parts[0].Events--; m.Parts[0].Gaps++ }},
		{"quarantined called events", verify.SegmentCounts, func(m *segmenter.Manifest) {
			m.Parts[1].Events += m.Parts[1].Quarantined
			m.Parts[1].Quarantined = 0
		}},
		{"lost called skipped", verify.SegmentCounts, func(m *segmenter.Manifest) {
			m.Parts[1].Skipped, m.Parts[1].Lost = m.Parts[1].Lost, 0
		}},
		{"an earlier time", verify.SegmentCounts, func(m *segmenter.Manifest) { m.Parts[0].MinTimeUs-- }},
		{"a later time", verify.SegmentCounts, func(m *segmenter.Manifest) { m.Parts[1].MaxTimeUs++ }},
		{"a time that hides events", verify.SegmentCounts, func(m *segmenter.Manifest) { m.Parts[0].MaxTimeUs-- }},
		{"an input less", verify.SegmentInputs, func(m *segmenter.Manifest) { m.Inputs = m.Inputs[1:] }},
		{"a supplement less", verify.SegmentInputs, func(m *segmenter.Manifest) {
			m.Inputs = slices.DeleteFunc(m.Inputs, func(in segmenter.Input) bool { return in.Kind == segmenter.InputSupplement })
		}},
		{"an input of another table", verify.SegmentInputs, func(m *segmenter.Manifest) {
			m.Inputs[0].Key = strings.Replace(m.Inputs[0].Key, m.TableID, "0000", 1)
		}},
		{"an input that is no file of ours", verify.SegmentInputs, func(m *segmenter.Manifest) { m.Inputs[0].Key += "x" }},
		{"an input with another hash", verify.SegmentInputs, func(m *segmenter.Manifest) { m.Inputs[0].SHA256 = strings.Repeat("0", 64) }},
		{"an input with another size", verify.SegmentInputs, func(m *segmenter.Manifest) { m.Inputs[0].Size++ }},
		{"an input with other records", verify.SegmentInputs, func(m *segmenter.Manifest) { m.Inputs[0].Records++ }},
		{"another table", verify.ManifestMismatch, func(m *segmenter.Manifest) { m.TableID = "0000" }},
		{"another name", verify.ManifestMismatch, func(m *segmenter.Manifest) { m.Cube = "other" }},
		{"another definition", verify.ManifestMismatch, func(m *segmenter.Manifest) { m.Definition = []byte(`{"name":"views"}`) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			folder := c.segment(id, build{v: v, change: tt.change})
			r := c.verify()
			p := c.finds(r, tt.want)
			if p.Segment != 1 || len(r.Problems) != 1 {
				t.Errorf("got %v, want one %s of segment 1", r.Problems, tt.want)
			}
			if tt.want != verify.SegmentCounts && !strings.HasPrefix(p.File, folder) {
				t.Errorf("the problem names %q, want the manifest in %s", p.File, folder)
			}
			if tt.want == verify.SegmentCounts && p.Range == nil {
				t.Errorf("the problem names no partition: %s", p)
			}
		})
	}
}

// A segment that was built before a requeue is stale, not damaged; what it counts is still proved, as of then.
func TestStaleSegments(t *testing.T) {
	for _, forged := range []bool{false, true} {
		s := newSite(t, 1, "parquet")
		s.produce(0, 100)
		s.ingest()
		id := s.applyCube()
		s.segment(id, build{v: segmenter.Vector{line(0, 0, 33)}, change: func(m *segmenter.Manifest) {
			if forged {
				m.Parts[0].Events, m.Parts[0].Quarantined = m.Parts[0].Events-1, m.Parts[0].Quarantined+1
			}
		}})
		s.segment(id, build{v: segmenter.Vector{line(0, 33, 80)}})
		s.clean(s.verifyUnless(forged))
		s.apply(tableYAML("parquet", "nn"))
		s.requeue()
		folder := s.segment(id, build{v: segmenter.Vector{line(0, 80, 100)}})
		r := s.verify()
		if forged {
			if p := s.finds(r, verify.SegmentCounts); p.Segment != 1 || len(r.Problems) != 1 {
				t.Errorf("forged and stale: got %v, want one problem of segment 1", r.Problems)
			}
			continue
		}
		s.clean(r)
		if len(r.StaleSegments) != 2 || r.StaleSegments[0].Segment != 1 || r.StaleSegments[1].Segment != 2 || r.Cubes[0].Stale != 2 {
			t.Fatalf("stale segments %+v, want 1 and 2", r.StaleSegments)
		}
		if x := r.StaleSegments[0]; x.Cube != "default/views" || x.Why == "" || !strings.HasPrefix(x.Path, "segments/"+id+"/") || strings.HasPrefix(x.Path, folder) {
			t.Errorf("stale segment %+v", x)
		}
		// A refresh ends it.
		s.segment(id, build{v: segmenter.Vector{line(0, 0, 33)}, replaces: []int64{1}})
		s.segment(id, build{v: segmenter.Vector{line(0, 33, 80)}, replaces: []int64{2}})
		r = s.verify()
		s.clean(r)
		if len(r.StaleSegments) != 0 || r.Segments != 3 {
			t.Errorf("after a refresh: stale %+v of %d", r.StaleSegments, r.Segments)
		}
		// The same without a note in the catalog: nobody would refresh it.
		c := s.clone(t)
		c.sql(`DELETE FROM ledger_changes`)
		c.clean(c.verify())
	}
}

// verifyUnless is a clean report where a forgery is not yet to be looked for.
func (s *site) verifyUnless(forged bool) *verify.Report {
	if forged {
		return &verify.Report{OK: true}
	}
	return s.verify()
}

// A segment whose inputs are not the ledger's while no change is noted would never be refreshed: that is a problem.
func TestStalenessThatNobodyKnows(t *testing.T) {
	s := newSite(t, 1, "parquet")
	s.produce(0, 100)
	s.ingest()
	id := s.applyCube()
	s.segment(id, build{v: segmenter.Vector{line(0, 0, 100)}})
	s.apply(tableYAML("parquet", "nn"))
	s.requeue()
	s.sql(`DELETE FROM ledger_changes`)
	p := s.finds(s.verify(), verify.SegmentInputs)
	if p.Segment != 1 || !strings.Contains(p.Message, "supplement-") {
		t.Errorf("problem %s, want one of segment 1 that names the supplement", p)
	}
}

// The advice can be typed as it stands.
func TestAdviceNamesProjectAndSegment(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	c := s.clone(t)
	must(t, os.Remove(c.path(folders[1]+"/"+segmenter.ManifestName)))
	if got, want := c.finds(c.verify(), verify.ManifestMissing).Do, "build it again: tidemark segment refresh views 4"; got != want {
		t.Errorf("advice %q, want %q", got, want)
	}
}
