package verify_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// words appends a slice with words to the dictionary of a column and returns what a manifest says of it.
func (s *site) words(list ...string) (in segmenter.Input) {
	s.t.Helper()
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		d, err := dictionary.New(dictionary.Options{Catalog: cat, Store: st, Dir: s.t.TempDir()})
		must(s.t, err)
		g := d.Gather(s.def.ID, "id")
		defer func() { must(s.t, g.Close()) }()
		col := &stage.Column{Kind: stage.Bytes}
		for _, v := range list {
			col.AppendBytes([]byte(v))
		}
		_, err = g.Add(s.t.Context(), col)
		must(s.t, err)
		ids, err := g.Resolve(s.t.Context())
		must(s.t, err)
		in, _ = ids.Input()
	})
	return in
}

// A slice that is damaged, gone or out of its place is found, and a segment whose dictionary is not the table's.
func TestDictionaries(t *testing.T) {
	s := fullSite(t, "parquet")
	id := s.applyCube()
	inputs := []segmenter.Input{s.words("a", "b"), s.words("c")}
	named := func(in segmenter.Input) func(m *segmenter.Manifest) {
		return func(m *segmenter.Manifest) {
			m.Inputs = append(m.Inputs, in)
			slices.SortFunc(m.Inputs, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
		}
	}
	v := segmenter.Vector{line(0, 13, 60), line(1, 0, 55)}
	whole := s.clone(t)
	whole.segment(id, build{v: v, change: named(inputs[1])})
	r := whole.verify()
	whole.clean(r)
	if r.Tables[0].DictionarySlices != 2 {
		t.Errorf("%d slices are whole, want 2", r.Tables[0].DictionarySlices)
	}
	first := inputs[0].Key
	for _, tt := range []struct {
		name   string
		want   verify.Kind
		file   string
		damage func(c *site)
	}{
		{"gone", verify.FileMissing, first, func(c *site) { must(t, os.Remove(c.path(first))) }},
		{"cut", verify.FileChanged, first, func(c *site) { must(t, os.Truncate(c.path(first), 20)) }},
		{"changed", verify.FileChanged, first, func(c *site) {
			text, err := os.ReadFile(c.path(first))
			must(t, err)
			text[len(text)/2] ^= 4
			must(t, os.WriteFile(c.path(first), text, 0o600))
		}},
		{"a row less", verify.DictionarySlices, inputs[1].Key, func(c *site) { c.sql(`DELETE FROM dictionary_slices WHERE slice = 1`) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := whole.clone(t)
			tt.damage(c)
			r := c.verify()
			p := c.finds(r, tt.want)
			if p.File != tt.file || !strings.Contains(p.Do, "back") {
				t.Errorf("got %+v, want file %s", p, tt.file)
			}
		})
	}
	for name, change := range map[string]func(in *segmenter.Input){
		"another slice":   func(in *segmenter.Input) { in.Key = strings.Replace(in.Key, "0000000002", "0000000003", 1) },
		"another hash":    func(in *segmenter.Input) { in.SHA256 = strings.Repeat("0", 64) },
		"another number":  func(in *segmenter.Input) { in.Records++ },
		"another's table": func(in *segmenter.Input) { in.Key = strings.Replace(in.Key, s.def.ID, "other", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			c, in := s.clone(t), inputs[1]
			change(&in)
			folder := c.segment(id, build{v: v, change: named(in)})
			c.names(t, verify.SegmentInputs, 1, folder+"/"+segmenter.ManifestName)
		})
	}
}

// A pack of slices that is damaged is found, and needs no copy.
func TestPacks(t *testing.T) {
	s := fullSite(t, "parquet")
	s.applyCube()
	c := s.clone(t)
	for i := range 16 {
		c.words(fmt.Sprint("word ", i))
	}
	c.clean(c.verify())
	found := 0
	must(t, filepath.WalkDir(c.path(dictionary.Prefix), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "pack-") {
			return err
		}
		found++
		text, err := os.ReadFile(path)
		must(t, err)
		text[len(text)/2] ^= 4
		return os.WriteFile(path, text, 0o600)
	}))
	p := c.finds(c.verify(), verify.FileChanged)
	if _, ok := dictionary.ParsePack(p.File); found != 1 || !ok || !strings.Contains(p.Do, "remove") {
		t.Errorf("got %+v of %d packs, want a pack, and to remove it", p, found)
	}
}
