package hbase

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// FuzzRow reads any bytes as the key, behind shard and cuboid, and the value of a row, whose check sum would not let most of
// them come that far: an error is fine, a panic is not. What is read as a cell is written and read again as the same cell.
func FuzzRow(f *testing.F) {
	l := testLayout(f)
	for i, x := range goldenRows(f) {
		if i%9 == 0 && x.key[1] > 0 {
			f.Add(binary.BigEndian.Uint64(x.key[shardBytes:]), x.key[fixedBytes:], x.value[sealBytes:])
		}
	}
	v := newValues(l)
	r := &Reader{layout: l, table: "t", values: v}
	read := func(mask uint64, x row) (*cells.Cells, error) {
		n := len(l.Dims)
		out := &cuboid.Rows{N: 1, Dicts: make([]*cells.Dict, n), Codes: make([][]uint32, n)}
		if err := r.dimensions(out, []row{x}, mask, l.Base()); err != nil {
			return nil, err
		}
		cols := v.empty()
		if err := v.take(cols, x.value); err != nil {
			return nil, err
		}
		states, err := v.states(cols)
		if err != nil {
			return nil, err
		}
		return cells.NewCells(mask, out.Dicts, out.Codes, states)
	}
	f.Fuzz(func(t *testing.T, mask uint64, key, value []byte) {
		mask &= l.Base()
		c, err := read(mask, row{key, value})
		if err != nil {
			return
		}
		again := row{newKeyMaker(c, 1, -1).key(0)[fixedBytes:], v.append(nil, v.columns(c), 0)}
		d, err := read(mask, again)
		if err != nil {
			t.Fatalf("key % x, value % x: written again as % x and % x: %v", key, value, again.key, again.value, err)
		}
		if got, want := celltest.Rows(d), celltest.Rows(c); !slices.Equal(got, want) {
			t.Errorf("key % x, value % x: read as %q, written and read again as %q", key, value, want, got)
		}
	})
}
