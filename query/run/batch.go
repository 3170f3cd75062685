package run

import (
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
)

// Batch is cells in columns: those of a row group, or of a block of events. It never changes and may be folded by several
// queries at once. What is worked out for its dictionaries is kept for the next query that is given the same Batch.
type Batch struct {
	n      int
	dims   []*dimension   // per dimension of the layout; nil where it is absent or was not read
	states []cells.States // per measure; nil where it was not read
	kept   bool           // by a cache, whose limit counts it
}

// dimension is a column of codes.
type dimension struct {
	id     *identity
	dict   *cells.Dict
	codes  []uint32
	starts []uint32 // where rows ascend by it: the row at which each code begins, and the number of rows; else nil
}

// identity stands for a dictionary in the keys of caches, so that these do not hold the dictionary itself.
type identity struct{ _ byte }

// NewBatch returns the batch of rows that were read. States that are folded must be there.
func NewBatch(rows *cuboid.Rows) *Batch {
	b := &Batch{n: rows.N, dims: make([]*dimension, len(rows.Dicts)), states: rows.States}
	for i, d := range rows.Dicts {
		if d != nil {
			b.dims[i] = newDimension(d, rows.Codes[i])
		}
	}
	return b
}

// CellsBatch returns the batch of all rows of c.
func CellsBatch(c *cells.Cells) *Batch {
	b := &Batch{n: c.Len(), dims: make([]*dimension, len(c.Dicts)), states: c.States}
	for i, d := range c.Dicts {
		if d != nil {
			b.dims[i] = newDimension(d, c.Keys.AppendCodes(make([]uint32, 0, c.Len()), i, 0, c.Len()))
		}
	}
	return b
}

// NoRows returns the batch of nothing, which may stand for one that cannot be had where the answer is not asked for any more.
func NoRows() *Batch { return &Batch{kept: true} }

// Rows returns the number of rows.
func (b *Batch) Rows() int { return b.n }

// MemBytes returns what the batch holds of memory.
func (b *Batch) MemBytes() (n int64) {
	for _, d := range b.dims {
		if d != nil {
			n += d.memBytes()
		}
	}
	for _, s := range b.states {
		if s != nil {
			n += s.MemBytes()
		}
	}
	return n
}

func newDimension(d *cells.Dict, codes []uint32) *dimension {
	return &dimension{id: new(identity), dict: d, codes: codes, starts: startsOf(codes, d.Len())}
}

// startsOf finds where each code begins. The first dimension of a cuboid ascends, and others where it has one value.
func startsOf(codes []uint32, size int) []uint32 {
	if len(codes) == 0 {
		return nil
	}
	for i := 1; i < len(codes); i++ {
		if codes[i] < codes[i-1] {
			return nil
		}
	}
	starts := make([]uint32, size+1)
	next := 0
	for i, c := range codes {
		for ; next <= int(c); next++ {
			starts[next] = uint32(i)
		}
	}
	for ; next <= size; next++ {
		starts[next] = uint32(len(codes))
	}
	return starts
}

func (d *dimension) memBytes() int64 {
	return d.dict.Values.MemBytes() + int64(4*(cap(d.codes)+cap(d.starts)))
}
