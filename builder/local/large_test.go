//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package local

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Strings of 1 MiB as dimension and as measure, a column that is null everywhere, bytes that are no UTF-8 in _raw beside, and a
// dimension with a value of its own for each event: the cells are right, and memory is spilled, not exceeded.
func TestLargeAndManyValues(t *testing.T) {
	w := newWorld(t, 32)
	w.table.Include.Raw = true
	w.apply("cube: sales\ntable: shop\ndimensions: [page, country]\nmeasures: [count, max(page), min(ratio), sum(big)]\n")
	s := stage.NewSchema(w.table)
	const events, large = 3000, 40
	c := stage.NewChunk(s)
	for off := range int64(events) {
		c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, 0)
		for i, f := range s.Fields {
			switch {
			case f.Name == "ts":
				c.Columns[i].AppendInt(firstUs + off)
			case f.Name == "page" && off%(events/large) == 0:
				c.Columns[i].AppendBytes([]byte(strings.Repeat("x", 1<<20) + fmt.Sprint(off)))
			case f.Name == "page":
				c.Columns[i].AppendBytes(fmt.Append(nil, "/p/", off))
			case f.Name == stage.RawColumn:
				c.Columns[i].AppendBytes([]byte{0xff, 0xfe, byte(off)})
			default:
				c.Columns[i].AppendNull()
			}
		}
	}
	w.add(0, c)
	want := ""
	for _, keep := range []int64{1, 1 << 30} {
		e := w.engine(func(_ *Options, s *sizes) { s.blockBytes = 8 << 20 })
		e.mem.most = keep
		out := w.build(t.Context(), e, w.input(w.all(), keep))
		got := w.cells(out, 2)
		if got.Len() != events {
			t.Errorf("%d pages, want %d", got.Len(), events)
		}
		states := got.States[1].Columns(0, got.Len())[0]
		ratio := got.States[2].Columns(0, got.Len())[0]
		for i := range got.Len() {
			code := got.Keys.Code(i, 0)
			if page := got.Dicts[0].Values.Bytes(int(code) - 1); string(states.Bytes(i)) != string(page) || !ratio.IsNull(i) {
				t.Fatalf("row %d: the largest page is %.20q, want %.20q; its ratio is null: %t", i, states.Bytes(i), page, ratio.IsNull(i))
			}
		}
		if all := w.cells(out, 1); all.Len() != 1 || all.States[0].Columns(0, 1)[0].Ints[0] != events {
			t.Errorf("by country: %d rows, want one of null with all events", all.Len())
		}
		if sum := out.Files[0].SHA256; want == "" {
			want = sum
		} else if sum != want {
			t.Error("the bytes depend on what is spilled")
		}
		w.gaveBack(e)
	}
}
