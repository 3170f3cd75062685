package hbase

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// H2: the cells that are read are those that were written, in their order, whatever the shards, row groups and batches;
// their hashes are those of files.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.IntRange(0, 80).Draw(rt, "events")
		w := newWorld(t, rapid.Uint64().Draw(rt, "seed"), events)
		s, f := fakeStore(t, Options{
			ShardEvents: rapid.Int64Range(1, 40).Draw(rt, "shard events"), MaxShards: rapid.IntRange(1, 7).Draw(rt, "shards"),
			GroupRows: rapid.IntRange(1, 60).Draw(rt, "group"), BatchRows: rapid.IntRange(1, 50).Draw(rt, "batch"),
		})
		spec := w.spec(3, events)
		spec.ShardBy = rapid.SampledFrom([]string{"", "name", "nothing", "num"}).Draw(rt, "shard by")
		if err := w.write(t, s, spec, rapid.IntRange(3, 90).Draw(rt, "group rows")); err != nil {
			rt.Fatal(err)
		}
		if err := w.same(t, s); err != nil {
			rt.Fatal(err)
		}
		for name, table := range f.named {
			if name != "tidemark_c1_abababababababab_3" || spec.ShardBy == "" && len(table.splits) > 0 {
				rt.Fatalf("table %s with splits % x", name, table.splits)
			}
		}
	})
}

// Bounds and counts of nulls are those of the rows.
func TestBounds(t *testing.T) {
	w := newWorld(t, 5, 60)
	s, _ := fakeStore(t, Options{})
	if err := w.write(t, s, w.spec(1, 60), 7); err != nil {
		t.Fatal(err)
	}
	r, err := s.NewReader(w.layout, w.stored, w.entries)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := r.Groups(t.Context(), w.layout.Base())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		c, err := r.Cells(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range c.Dicts { // a dictionary that was read has the values of the rows only
			switch b := g.Bounds[i]; {
			case d.Len() == 1:
				if b != nil || g.Nulls[i] != int64(g.Rows) {
					t.Errorf("group %d, dimension %d: bounds %v and %d nulls of %d rows without a value", g.Place, i, b, g.Nulls[i], g.Rows)
				}
			case b == nil || b.Compare(1, d, 1) != 0 || b.Compare(2, d, uint32(d.Len()-1)) != 0:
				t.Errorf("group %d, dimension %d: bounds %v, want the first and last of %v", g.Place, i, b, d.Values)
			}
		}
	}
	rows, err := r.Read(t.Context(), groups[0], 1, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	if rows.N != groups[0].Rows || rows.Dicts[0] != nil || rows.Dicts[len(rows.Dicts)-1] == nil || rows.States[0] != nil || rows.States[1] == nil {
		t.Errorf("read one dimension and one measure of %d rows, got %+v", groups[0].Rows, rows)
	}
}

// H2: forms of values compare as the values do, none is the beginning of another, and they are read back.
func TestFormsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kinds := map[string]pages.Kind{"int64": pages.Int64, "float64": pages.Float64, "bool": pages.Bool, "decimal(38,3)": pages.Decimal128, "string": pages.Bytes}
		text := rapid.SampledFrom([]string{"int64", "float64", "bool", "decimal(38,3)", "string"}).Draw(rt, "type")
		typ, err := cube.ParseType(text)
		if err != nil {
			rt.Fatal(err)
		}
		c := pages.Column{Kind: kinds[text]}
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		for range 2 {
			if c.Kind == pages.Bytes && rapid.Bool().Draw(rt, "free") {
				c.AppendBytes(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 0, 4).Draw(rt, "bytes"))
			} else {
				celltest.Draw(&c, typ, rnd, testTexts()...)
			}
		}
		d := &cells.Dict{Values: c}
		forms := [][]byte{appendNull(nil), appendValue(nil, &c, 0), appendValue(nil, &c, 1)}
		back := pages.Column{Kind: c.Kind}
		for i, a := range forms {
			if n, err := valueLen(c.Kind, append(bytes.Clone(a), 0xee)); err != nil || n != len(a) {
				rt.Fatalf("% x: length %d, want %d: %v", a, n, len(a), err)
			}
			for j, b := range forms {
				if got, want := bytes.Compare(a, b), d.Compare(uint32(i), d, uint32(j)); i != j && got != want && d.Compare(1, &cells.Dict{Values: c}, 2) != 0 {
					if i > 0 && j > 0 {
						want = (&cells.Dict{Values: c}).Compare(uint32(i), &cells.Dict{Values: c}, uint32(j))
					}
					if got != want {
						rt.Fatalf("%v: forms % x and % x compare as %d, want %d", c, a, b, got, want)
					}
				}
			}
			if i > 0 {
				if err := takeValue(&back, a); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for i := range 2 {
			if c.Word(i) != back.Word(i) {
				rt.Fatalf("value %d of %v is read as %v", i, c, back)
			}
		}
	})
}

// A cell whose dimensions do not fit into a row key is refused by name; nothing is cut.
func TestLongKeys(t *testing.T) {
	w := newWorld(t, 1, 4)
	s, _ := fakeStore(t, Options{})
	out, _, err := s.NewWriter(t.Context(), w.spec(1, 4))
	if err != nil {
		t.Fatal(err)
	}
	long, name := strings.Repeat("x", 40_000), -1
	for i, d := range w.layout.Dims {
		if d.Name == "url" {
			name = i
		}
	}
	base := w.cells[w.layout.Base()]
	one, err := w.layout.Combine(base.Mask, cells.Part{Cells: base, To: 1})
	if err != nil {
		t.Fatal(err)
	}
	dict := &cells.Dict{Values: pages.Column{Kind: pages.Bytes}}
	dict.Values.AppendBytes([]byte(long))
	codes := make([][]uint32, len(one.Dicts))
	for i := range codes {
		codes[i] = []uint32{one.Keys.Code(0, i)}
	}
	one.Dicts[name], codes[name] = dict, []uint32{1}
	c, err := cells.NewCells(one.Mask, one.Dicts, codes, one.States)
	if err != nil {
		t.Fatal(err)
	}
	err = out.Append(t.Context(), c)
	var key *KeyError
	if !errors.As(err, &key) || key.Dimension != "url" || key.Bytes < len(long) {
		t.Errorf("a key of %d bytes gives %v, want a *KeyError that names url", len(long), err)
	}
}

// Rows that are gone, changed or too many are found when they are read back (H3).
func TestChangedTable(t *testing.T) {
	w := newWorld(t, 9, 12)
	s, f := fakeStore(t, Options{ShardEvents: 10})
	if err := w.write(t, s, w.spec(1, 30), 5); err != nil {
		t.Fatal(err)
	}
	table := f.named[w.stored.Table]
	verify := func() error {
		r, err := s.NewReader(w.layout, w.stored, w.entries)
		if err != nil {
			t.Fatal(err)
		}
		return r.Verify(t.Context(), func(int64, int64) {})
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for k, v := range maps.Clone(table.rows) {
		var seen []string
		for what, change := range map[string]func(){
			"gone":    func() { delete(table.rows, k) },
			"changed": func() { table.rows[k] = append(bytes.Clone(v[:len(v)-1]), v[len(v)-1]^1) },
			"doubled": func() { table.rows[k[:len(k)-1]+string([]byte{k[len(k)-1] + 1})+"\x01"] = v },
			"cut":     func() { table.rows[k] = v[:len(v)/2] },
		} {
			before := map[string][]byte{}
			for k, v := range table.rows {
				before[k] = v
			}
			change()
			table.sorted = nil
			var format *cuboid.FormatError
			if err := verify(); err == nil {
				seen = append(seen, what)
			} else if !errors.As(err, &format) || !strings.Contains(err.Error(), w.stored.Table) {
				t.Errorf("row % x %s: %v (%T), want a *cuboid.FormatError that names the table", k, what, err, err)
			}
			table.rows = before
		}
		if k[2] == headerTag && k[1] == 0 { // what stands beside it is read by nobody
			seen = slices.DeleteFunc(seen, func(what string) bool { return what == "doubled" })
		}
		if len(seen) > 0 {
			t.Errorf("row % x: not found that it is %s", k, seen)
		}
	}
}

func TestTableNames(t *testing.T) {
	name := TableName("tm", "0af3", strings.Repeat("cd", 32), 12)
	got, ok := parseTable("tm", name)
	if d := cmp.Diff(Table{Name: "tm_0af3_cdcdcdcdcdcdcdcd_12", CubeID: "0af3", Segment: "cdcdcdcdcdcdcdcd", Attempt: 12}, got); !ok || d != "" {
		t.Errorf("%s: %t (-want +got):\n%s", name, ok, d)
	}
	for _, bad := range []string{"", "tm", "tm_", "tm_a_b", "tm_a_b_x", "tm_a_b_-1", "tm_a_b_1_2", "other_a_b_1", "tmx_a_b_1"} {
		if _, ok := parseTable("tm", bad); ok {
			t.Errorf("%q is taken for a table of ours", bad)
		}
	}
}
