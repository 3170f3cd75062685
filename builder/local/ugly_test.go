package local

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// retype gives the table another version, of other columns.
func (w *world) retype(from, to string) {
	w.t.Helper()
	def, err := cube.ParseTable([]byte(strings.Replace(tableYAML, from, to, 1)), "shop.yaml")
	must(w.t, err)
	def = def.WithDefaults()
	def.ID, def.Version = w.table.ID, w.table.Version+1
	w.table = def
}

// add stages events that the test makes itself.
func (w *world) add(start int64, c *stage.Chunk) {
	w.t.Helper()
	r := segmenter.PartitionRange{Start: start, End: start + int64(c.Rows())}
	f := w.write(stage.StagedKey("t1", r, w.epoch, w.table.Version, cube.Parquet), c, stage.Footer{Range: r, Epoch: w.epoch}, cube.Parquet)
	w.rows = append(w.rows, catalog.LedgerEntry{
		LedgerRow: segmenter.LedgerRow{Range: r, State: segmenter.Staged, Events: int64(c.Rows())}, Epoch: w.epoch, File: f,
	})
}

// cells reads a cuboid whole.
func (w *world) cells(out builder.EngineOutput, mask uint64) *cells.Cells {
	w.t.Helper()
	l, err := cells.NewLayout(w.cube, w.table)
	must(w.t, err)
	r, err := cuboid.NewReader(w.store, l, out.Files, out.Cuboids)
	must(w.t, err)
	defer r.Close()
	groups, err := r.Groups(w.t.Context(), mask)
	must(w.t, err)
	var parts []cells.Part
	for _, g := range groups {
		c, err := r.Cells(w.t.Context(), g)
		must(w.t, err)
		parts = append(parts, cells.Part{Cells: c, To: c.Len()})
	}
	c, err := l.Combine(mask, parts...)
	must(w.t, err)
	return c
}

// A column that later files do not have is null in them; one of another type ends the build for good, and the error names the
// file, the column and both types.
func TestColumnChanges(t *testing.T) {
	w := newWorld(t, 30)
	w.apply("cube: sales\ntable: shop\ndimensions: [country]\nmeasures: [count, sum(n)]\n")
	w.stage(0, 0, 300)
	whole := w.table
	w.retype("  - {name: country, type: string}\n", "")
	w.stage(0, 300, 500)
	w.table = whole
	c := w.cells(w.build(t.Context(), w.engine(nil), w.input(w.all(), 1)), 1)
	if nulls := c.States[0].Columns(0, 1)[0].Ints[0]; c.Keys.Code(0, 0) != 0 || nulls < 200 {
		t.Errorf("%d events without a country, want the 200 of the second file among them", nulls)
	}

	w.retype("  - {name: n, type: int64}", "  - {name: n, type: string}")
	changed := w.table
	w.table = whole
	in := w.input(w.all(), 2)
	in.Table = changed
	in.Cube.Measures = in.Cube.Measures[:1]
	in.Cube.Dimensions = append(in.Cube.Dimensions, cube.Dimension{Name: "n", Column: "n"})
	in.Cube.RowKey = nil
	in.Cube = in.Cube.WithDefaults()
	_, err := w.engine(nil).Build(t.Context(), in)
	var final *builder.FinalError
	if !errors.As(err, &final) || !strings.Contains(err.Error(), "column n is int64") || !strings.Contains(err.Error(), w.rows[0].File.Key) {
		t.Errorf("another type: got %v, want a final error that names the file, the column and its types", err)
	}
}

// A range without events has all cuboids, none with a row; one event has one row in each.
func TestFewEvents(t *testing.T) {
	w := newWorld(t, 31)
	w.stage(0, 0, 1)
	r := segmenter.PartitionRange{Start: 1, End: 50}
	w.rows = append(w.rows, catalog.LedgerEntry{LedgerRow: segmenter.LedgerRow{Range: r, State: segmenter.Lost}})
	masks, err := w.cube.Cuboids()
	must(t, err)
	empty := w.build(t.Context(), w.engine(nil), w.input(segmenter.Vector{r}, 1))
	one := w.build(t.Context(), w.engine(nil), w.input(w.all(), 2))
	for i, x := range []struct {
		out  builder.EngineOutput
		rows int64
	}{{empty, 0}, {one, 1}} {
		if len(x.out.Cuboids) != len(masks) {
			t.Fatalf("case %d: %d cuboids, want %d", i, len(x.out.Cuboids), len(masks))
		}
		for _, e := range x.out.Cuboids {
			if e.Rows != x.rows {
				t.Errorf("case %d: cuboid %b has %d rows, want %d", i, e.Cuboid, e.Rows, x.rows)
			}
		}
	}
	if len(empty.Files) != 0 {
		t.Errorf("an empty segment has files %v", empty.Files)
	}
	in := w.input(w.all(), 3)
	in.Merged = []*segmenter.Manifest{manifest(1, one), manifest(2, empty)}
	w.sameCells(w.build(t.Context(), w.engine(nil), in), one)
}

// Sums that need more than 38 digits end the build for good, with the measure's name.
func TestOverflow(t *testing.T) {
	w := newWorld(t, 33)
	w.retype("decimal(30,5)", "decimal(38,0)")
	w.apply("cube: sales\ntable: shop\ndimensions: [country]\nmeasures: [count, sum(big)]\n")
	s := stage.NewSchema(w.table)
	c := stage.NewChunk(s)
	for off := range int64(4) {
		c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, 0)
		for i, f := range s.Fields {
			switch f.Name {
			case "ts":
				c.Columns[i].AppendInt(firstUs)
			case "big": // about 8.5e37
				c.Columns[i].AppendBytes([]byte{0x3f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			default:
				c.Columns[i].AppendNull()
			}
		}
	}
	w.add(0, c)
	_, err := w.engine(nil).Build(t.Context(), w.input(w.all(), 1))
	var final *builder.FinalError
	if !errors.As(err, &final) || !strings.Contains(err.Error(), "sum_big") {
		t.Errorf("got %v, want a final error that names sum_big", err)
	}
}
