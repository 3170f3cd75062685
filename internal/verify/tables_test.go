package verify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// toTable moves the cuboids of a manifest into a table.
func (s *site) toTable(m *segmenter.Manifest, st blob.Store, tables *hbase.Store) {
	s.t.Helper()
	ctx := s.t.Context()
	def := new(cube.Cube)
	must(s.t, json.Unmarshal(m.Definition, def))
	l, err := cells.NewLayout(def, s.def)
	must(s.t, err)
	rd, err := cuboid.NewReader(st, l, m.Files, m.Cuboids)
	must(s.t, err)
	w, _, err := tables.NewWriter(ctx, hbase.Spec{CubeID: m.CubeID, Segment: m.SegmentID, Attempt: m.Attempt, Events: m.Measure.Events, Layout: l})
	must(s.t, err)
	for _, e := range m.Cuboids {
		groups, err := rd.Groups(ctx, uint64(e.Cuboid))
		must(s.t, err)
		must(s.t, w.Begin(uint64(e.Cuboid)))
		for _, g := range groups {
			c, err := rd.Cells(ctx, g)
			must(s.t, err)
			must(s.t, w.Append(ctx, c))
		}
	}
	must(s.t, rd.Close())
	for _, f := range m.Files {
		must(s.t, st.Delete(ctx, f.Key))
	}
	m.Files = nil
	m.Cuboids, m.Stored, err = w.Finish(ctx, func(int64, int64) {})
	must(s.t, err)
}

// Cuboids in a table are proved as those of files are: what is changed, gone, too much or disabled is found, and the table
// named.
func TestCuboidsInTables(t *testing.T) {
	base := fullSite(t, "parquet")
	cubeID := base.applyCube()
	first := func(change func(v []byte) []byte) func(t *testing.T, st *hbase.Store, mem *hbase.Mem, table string) {
		return func(t *testing.T, _ *hbase.Store, mem *hbase.Mem, table string) {
			done := false
			mem.Each(table, func(k, v []byte) []byte {
				if done || k[1] == 0 { // rows of shard 0 describe the table
					return v
				}
				done = true
				return change(v)
			})
		}
	}
	for _, tt := range []struct {
		name, says string
		damage     func(t *testing.T, st *hbase.Store, mem *hbase.Mem, table string)
	}{
		{"nothing", "", func(*testing.T, *hbase.Store, *hbase.Mem, string) {}},
		{"a byte", "check sum", first(func(v []byte) []byte { v[len(v)-1] ^= 1; return v })},
		{"a row", "were written", first(func([]byte) []byte { return nil })},
		{"all rows", "it has no header", func(_ *testing.T, _ *hbase.Store, mem *hbase.Mem, table string) {
			mem.Each(table, func(_, _ []byte) []byte { return nil })
		}},
		{"disabled", "it is disabled", func(t *testing.T, st *hbase.Store, _ *hbase.Mem, table string) {
			must(t, st.Disable(t.Context(), table))
		}},
		{"gone", "it is gone", func(t *testing.T, st *hbase.Store, _ *hbase.Mem, table string) { must(t, st.Drop(t.Context(), table)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			tables, mem, err := hbase.OpenMem(hbase.Options{GroupRows: 7})
			must(t, err)
			var table string
			cuboidSite(t, s, cubeID, func(m *segmenter.Manifest, st blob.Store) {
				s.toTable(m, st, tables)
				table = m.Stored.Table
			})
			tt.damage(t, tables, mem, table)
			r := s.verify(func(o *verify.Options) { o.HBase = tables })
			if tt.says == "" {
				s.clean(r)
				return
			}
			if len(r.Problems) != 1 || r.Problems[0].File != hbase.Key(table) || !strings.Contains(r.Problems[0].Message, tt.says) {
				t.Errorf("got %v, want one problem of file %s that says %q", r.Problems, hbase.Key(table), tt.says)
			}
		})
	}
}
