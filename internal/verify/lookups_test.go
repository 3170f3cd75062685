package verify_test

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const withSizes = "lookups: [{lookup: sizes, foreign_key: n, derived: [label]}]\n"

// snapshot applies rows of a lookup table and returns what a manifest says of it.
func (s *site) snapshot(name, rows string) (in segmenter.Input) {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		snap, err := lookup.Read(lookup.Source{
			Project: "default", Name: name, Key: "n", Format: "csv", Types: []cube.LookupColumn{{Name: "n", Type: "int64"}},
		}, []byte("n,label\n"+rows))
		must(s.t, err)
		v, _, err := lookup.Apply(s.t.Context(), st, cat, snap)
		must(s.t, err)
		in = segmenter.Input{Kind: segmenter.InputLookup, Key: v.Key, Size: v.Size, SHA256: v.SHA256, Records: v.Rows}
	})
	return in
}

func withInputs(list ...segmenter.Input) func(m *segmenter.Manifest) {
	return func(m *segmenter.Manifest) {
		m.Inputs = append(m.Inputs, list...)
		slices.SortFunc(m.Inputs, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
	}
}

// V11: a snapshot that is damaged or gone is found, whether a segment or the cube needs it, and so is a manifest that names another
// than it may.
func TestLookups(t *testing.T) {
	s := fullSite(t, "parquet")
	old := s.snapshot("sizes", "1,small\n")
	id := s.applyViews(withSizes)
	newest := s.snapshot("sizes", "1,small\n2,large\n")
	v := segmenter.Vector{line(0, 13, 60), line(1, 0, 55)}
	whole := s.clone(t)
	whole.segment(id, build{v: v, change: withInputs(old)})
	whole.clean(whole.verify())
	for _, of := range []struct {
		name    string
		in      segmenter.Input
		segment int64
		do      string
	}{{"of a segment", old, 1, "tidemark segment refresh views 1"}, {"of the cube", newest, 0, "tidemark lookup apply"}} {
		for _, tt := range []struct {
			name   string
			want   verify.Kind
			damage func(c *site, path string)
		}{
			{"gone", verify.FileMissing, func(_ *site, path string) { must(t, os.Remove(path)) }},
			{"cut", verify.FileChanged, func(_ *site, path string) { must(t, os.Truncate(path, 20)) }},
			{"longer", verify.FileChanged, func(c *site, path string) {
				text, err := os.ReadFile(path)
				must(t, err)
				must(t, os.WriteFile(path, append(text, 0), 0o600))
			}},
			{"changed", verify.FileChanged, func(c *site, path string) {
				text, err := os.ReadFile(path)
				must(t, err)
				text[len(text)/2] ^= 4
				must(t, os.WriteFile(path, text, 0o600))
			}},
		} {
			t.Run(of.name+" "+tt.name, func(t *testing.T) {
				c := whole.clone(t)
				tt.damage(c, c.path(of.in.Key))
				r := c.verify()
				p := c.finds(r, tt.want)
				if len(r.Problems) != 1 || p.File != of.in.Key || p.Segment != of.segment || p.Cube != "default/views" || !strings.Contains(p.Do, of.do) {
					t.Errorf("got %d problems, %+v, want one of file %s, segment %d and %q", len(r.Problems), p, of.in.Key, of.segment, of.do)
				}
			})
		}
	}
	t.Run("dropped", func(t *testing.T) {
		c := whole.clone(t)
		c.sql(`UPDATE lookups SET dropped_us = 1`)
		if p := c.finds(c.verify(), "lookup_missing"); p.Cube != "default/views" || !strings.Contains(p.Message, "sizes") {
			t.Errorf("got %+v, want lookup table sizes of the cube", p)
		}
	})
}

// V11: a manifest that names other snapshots than it may is found.
func TestForeignLookups(t *testing.T) {
	s := fullSite(t, "parquet")
	old := s.snapshot("sizes", "1,small\n")
	id := s.applyViews(withSizes)
	newest := s.snapshot("sizes", "1,small\n2,large\n")
	other := s.snapshot("colours", "1,red\n")
	v := segmenter.Vector{line(0, 13, 60), line(1, 0, 55)}
	for name, change := range map[string]func(m *segmenter.Manifest){
		"none":             func(*segmenter.Manifest) {},
		"another's":        withInputs(other),
		"two versions":     withInputs(old, newest),
		"one too many":     withInputs(old, other),
		"another hash":     withInputs(segmenter.Input{Kind: old.Kind, Key: old.Key, Size: old.Size, Records: old.Records, SHA256: other.SHA256}),
		"another number":   withInputs(segmenter.Input{Kind: old.Kind, Key: old.Key, Size: old.Size, Records: 7, SHA256: old.SHA256}),
		"no version":       withInputs(segmenter.Input{Kind: old.Kind, Key: strings.Replace(old.Key, "0000000001", "0000000009", 1), Size: old.Size, Records: 1, SHA256: old.SHA256}),
		"no name of any":   withInputs(segmenter.Input{Kind: old.Kind, Key: "lookups/x", Size: old.Size, Records: 1, SHA256: old.SHA256}),
		"of another table": withInputs(segmenter.Input{Kind: old.Kind, Key: lookup.Key("gone", 1, old.SHA256), Size: old.Size, Records: 1, SHA256: old.SHA256}),
	} {
		t.Run(name, func(t *testing.T) {
			c := s.clone(t)
			folder := c.segment(id, build{v: v, change: change})
			r := c.verify()
			if name == "of another table" { // a rebuilt catalog need not have it, the store must
				if p := c.finds(r, verify.FileMissing); p.File != lookup.Key("gone", 1, old.SHA256) {
					t.Errorf("got %+v", p)
				}
				return
			}
			if p := c.finds(r, verify.SegmentInputs); p.Segment != 1 || p.File != folder+"/"+segmenter.ManifestName {
				t.Errorf("got %+v, want it of segment 1 and its manifest", p)
			}
		})
	}
}

// Applying the same file again brings an object back that was lost.
func TestLookupIsMended(t *testing.T) {
	s := fullSite(t, "parquet")
	in := s.snapshot("sizes", "1,small\n")
	id := s.applyViews(withSizes)
	s.segment(id, build{v: segmenter.Vector{line(0, 13, 60), line(1, 0, 55)}, change: withInputs(in)})
	must(t, os.Remove(s.path(in.Key)))
	s.finds(s.verify(), verify.FileMissing)
	if again := s.snapshot("sizes", "1,small\n"); again != in {
		t.Errorf("applied again: got %+v, want %+v", again, in)
	}
	s.clean(s.verify())
}
