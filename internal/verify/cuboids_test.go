package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// cuboidSite is a site with one segment with cuboids, which after may change before it is published.
func cuboidSite(t *testing.T, s *site, cubeID string, after func(*segmenter.Manifest, blob.Store)) (folder string) {
	t.Helper()
	return s.segment(cubeID, build{v: segmenter.Vector{line(0, 5, 95), line(1, 0, 65)}, cuboids: true, after: after})
}

func flip(s string) string { return string(s[0]^1) + s[1:] }

// Each row is a manifest that says other things of its cuboids than their files hold, and the catalog agrees with it.
func TestEntriesOfCuboids(t *testing.T) {
	base := fullSite(t, "parquet")
	cubeID := base.applyCube()
	tests := []struct {
		name string
		want verify.Kind
		says string
		edit func(m *segmenter.Manifest)
	}{
		{"none", "", "", func(*segmenter.Manifest) {}},
		{"hash", verify.CuboidMismatch, "SHA-256", func(m *segmenter.Manifest) { m.Cuboids[0].SHA256 = flip(m.Cuboids[0].SHA256) }},
		{"hash of the base", verify.CuboidMismatch, "SHA-256", func(m *segmenter.Manifest) { m.Cuboids[2].SHA256 = flip(m.Cuboids[2].SHA256) }},
		{"rows", verify.CuboidMismatch, "rows in its files", func(m *segmenter.Manifest) { m.Cuboids[1].Rows++ }},
		{"bytes", verify.CuboidMismatch, "bytes, the manifest", func(m *segmenter.Manifest) { m.Cuboids[1].Bytes-- }},
		{"another row group", verify.CuboidMismatch, "cuboids name row group", func(m *segmenter.Manifest) { m.Cuboids[1].Pieces[0].First = 0 }},
		{"row groups that are none", verify.CuboidMismatch, "are not among", func(m *segmenter.Manifest) { m.Cuboids[1].Pieces[0].Count = 9 }},
		{"two places", verify.CuboidMismatch, "is of cuboid", func(m *segmenter.Manifest) {
			m.Cuboids[0].Pieces, m.Cuboids[1].Pieces = m.Cuboids[1].Pieces, m.Cuboids[0].Pieces
		}},
		{"a cuboid less", verify.CuboidLattice, "has not the cuboid 1", func(m *segmenter.Manifest) { m.Cuboids = m.Cuboids[1:] }},
		{"no base", verify.CuboidLattice, "has not the cuboid 3", func(m *segmenter.Manifest) { m.Cuboids = m.Cuboids[:2] }},
		{"a cuboid more", verify.CuboidLattice, "definition does not have", func(m *segmenter.Manifest) {
			m.Cuboids = append(m.Cuboids, segmenter.CuboidEntry{Cuboid: 7, SHA256: m.Cuboids[0].SHA256})
		}},
		{"no cuboids", verify.CuboidMismatch, "1 files and no cuboid", func(m *segmenter.Manifest) { m.Cuboids = nil }},
		{"another store", verify.CuboidMismatch, "hbase.quorum", func(m *segmenter.Manifest) {
			m.Stored = &segmenter.StoredTable{Store: "hbase", Table: "t"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			folder := cuboidSite(t, s, cubeID, func(m *segmenter.Manifest, _ blob.Store) { tt.edit(m) })
			if tt.want == "" {
				s.clean(s.verify())
				return
			}
			s.names(t, tt.want, 1, folder+"/"+segmenter.ManifestName)
			if p := s.verify().Problems[0]; !strings.Contains(p.Message, tt.says) {
				t.Errorf("got %q, want that it says %q", p.Message, tt.says)
			}
		})
	}
}

// writeAnew writes the cuboids of a manifest anew out of changed ones, with hashes that agree.
func (s *site) writeAnew(m *segmenter.Manifest, st blob.Store, change func(l *cells.Layout, of map[uint64]*cells.Cells)) {
	s.t.Helper()
	ctx := s.t.Context()
	def := new(cube.Cube)
	must(s.t, json.Unmarshal(m.Definition, def))
	l, err := cells.NewLayout(def, s.def)
	must(s.t, err)
	rd, err := cuboid.NewReader(st, l, m.Files, m.Cuboids)
	must(s.t, err)
	of := map[uint64]*cells.Cells{}
	for _, e := range m.Cuboids {
		groups, err := rd.Groups(ctx, uint64(e.Cuboid))
		must(s.t, err)
		of[uint64(e.Cuboid)], err = rd.Cells(ctx, groups[0])
		must(s.t, err)
	}
	must(s.t, rd.Close())
	change(l, of)
	for _, f := range m.Files {
		must(s.t, st.Delete(ctx, f.Key))
	}
	enc, err := cuboid.NewEncoder(l)
	must(s.t, err)
	w, err := cuboid.NewWriter(st, segmenter.SegmentFolder(m.CubeID, m.SegmentID, m.Attempt), l, cuboid.WriterOptions{})
	must(s.t, err)
	for _, e := range slices.Backward(m.Cuboids) {
		c := of[uint64(e.Cuboid)]
		g, err := enc.Encode(cells.Part{Cells: c, To: c.Len()})
		must(s.t, err)
		must(s.t, w.Append(ctx, g))
	}
	m.Files, m.Cuboids, err = w.Finish(ctx)
	must(s.t, err)
}

// edited returns cells whose states of one measure are changed.
func edited(t *testing.T, l *cells.Layout, c *cells.Cells, measure string, change func(cols []stage.Column)) *cells.Cells {
	t.Helper()
	i := slices.IndexFunc(l.Measures, func(m cells.Measure) bool { return m.Name == measure })
	var cols []stage.Column
	for _, col := range c.States[i].Columns(0, c.Len()) {
		col.Ints, col.Floats, col.Data = slices.Clone(col.Ints), slices.Clone(col.Floats), bytes.Clone(col.Data)
		cols = append(cols, col)
	}
	change(cols)
	states := slices.Clone(c.States)
	var err error
	states[i], err = l.Measures[i].FromColumns(cols)
	must(t, err)
	codes := make([][]uint32, len(c.Dicts))
	for d := range c.Dicts {
		if c.Dicts[d] != nil {
			codes[d] = c.Keys.AppendCodes(nil, d, 0, c.Len())
		}
	}
	out, err := cells.NewCells(c.Mask, c.Dicts, codes, states)
	must(t, err)
	return out
}

// Each row is a build that is wrong in a way that all hashes agree with.
func TestCellsOfCuboids(t *testing.T) {
	base := fullSite(t, "parquet")
	cubeID := base.applyCube()
	more := func(cols []stage.Column) { cols[0].Ints[0]++ }
	swap := func(cols []stage.Column) { // of rows with different sums
		d := cols[0].Data
		for i := 16; i < len(d); i += 16 {
			if a, b := d[:16], d[i:i+16]; !bytes.Equal(a, b) && !cols[0].IsNull(0) && !cols[0].IsNull(i/16) {
				x := bytes.Clone(a)
				copy(a, b)
				copy(b, x)
				return
			}
		}
		t.Fatal("all sums are equal")
	}
	all, one := editsOf(t)
	tests := []struct {
		name, says string
		change     change
	}{
		{"nothing", "", func(*cells.Layout, map[uint64]*cells.Cells) {}},
		{"a count of all", "the base cuboid counts", all("count", more)},
		{"a maximum of all", "the base cuboid does not add up to the staged events: max_n", all("max_n", func(cols []stage.Column) { cols[0].Ints[cols[0].Len()-1] = 1 << 40 })},
		{"sums of all in other rows", "the base cuboid has not the cells of the staged events: sum_price", all("sum_price", swap)},
		{"a count of one", "cuboid 1 does not add up to the base cuboid: count", one("count", more)},
		{"a count of an average", "cuboid 1 does not add up to the base cuboid: avg_ratio__count", one("avg_ratio", func(cols []stage.Column) { cols[1].Ints[0]++ })},
		{"a greatest value of one", "cuboid 1 does not add up to the base cuboid: percentile_ratio has ", one("percentile_ratio", func(cols []stage.Column) {
			binary.LittleEndian.PutUint64(cols[0].Bytes(0)[8:], math.Float64bits(1e9)) // rows have one value each
		})},
		{"sums of one in other rows", "cuboid 1 has not the cells of the base cuboid: sum_price", one("sum_price", swap)},
		{"a sum of float64 of one", "cuboid 1 does not add up to the base cuboid: sum_ratio", one("sum_ratio", func(cols []stage.Column) {
			cols[0].Floats = slices.Clone(cols[0].Floats)
			cols[0].Floats[0] += 1e-6
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			var file string
			cuboidSite(t, s, cubeID, func(m *segmenter.Manifest, st blob.Store) {
				s.writeAnew(m, st, tt.change)
				file = m.Files[0].Key
			})
			if tt.says == "" {
				s.clean(s.verify())
				return
			}
			s.names(t, verify.CuboidCells, 1, file)
			if p := s.verify().Problems[0]; !strings.HasPrefix(p.Message, tt.says) {
				t.Errorf("got %q, want that it says %q", p.Message, tt.says)
			}
		})
	}
}

// One byte of a cuboid file, wherever, is found and the file named.
func TestEveryByteOfACuboidFileCounts(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	key := folders[1] + "/cuboids-00000.parquet"
	data, err := os.ReadFile(s.path(key))
	must(t, err)
	for at := 0; at < len(data); at += max(1, len(data)/20) {
		bad := bytes.Clone(data)
		bad[at] ^= 0x10
		must(t, os.WriteFile(s.path(key), bad, 0o600))
		r := s.verify(func(o *verify.Options) { o.SecondReader = -1 })
		if len(r.Problems) != 1 || r.Problems[0].Kind != verify.FileChanged || r.Problems[0].File != key || r.Problems[0].Segment != 4 {
			t.Errorf("byte %d: got %v, want one %s of segment 4 in file %s", at, r.Problems, verify.FileChanged, key)
		}
	}
}

// A file that cannot be read, although hashes say that it is what was written.
func TestUnreadableCuboids(t *testing.T) {
	base := fullSite(t, "parquet")
	cubeID := base.applyCube()
	var file string
	cuboidSite(t, base, cubeID, func(m *segmenter.Manifest, st blob.Store) {
		file = m.Files[0].Key
		data, err := os.ReadFile(base.path(file))
		must(t, err)
		data[len(data)/2] ^= 1
		must(t, os.WriteFile(base.path(file), data, 0o600))
		m.Files[0].SHA256 = sumOf(data)
	})
	base.names(t, verify.FileUnreadable, 1, file)
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
