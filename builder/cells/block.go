package cells

import (
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Block takes in events and groups them to cells. It keeps the columns that it reads, not the chunks.
type Block struct {
	// IDs is asked once for each count_distinct_exact of strings, by Cells.
	IDs IDs

	layout *Layout
	mask   uint64
	rows   int
	dims   []*dimBuilder // per dimension of the layout; nil where mask has it not
	lifts  []lifter      // per measure
	schema *stage.Schema
	index  map[string]int // of schema's columns
}

// events are rows [from, to) of a chunk.
type events struct {
	schema    *stage.Schema
	index     map[string]int
	chunk     *stage.Chunk
	from, to  int
	partition int32
}

// column returns a column of the events, nil where their schema does not have it: its values are null then.
func (e *events) column(name string) *stage.Column {
	if at, ok := e.index[name]; ok {
		return &e.chunk.Columns[at]
	}
	return nil
}

// NewBlock returns an empty block that groups by the dimensions of mask.
func (l *Layout) NewBlock(mask uint64) *Block {
	b := &Block{layout: l, mask: mask, dims: make([]*dimBuilder, len(l.Dims))}
	for i := range l.Dims {
		if mask&l.bit(i) != 0 {
			b.dims[i] = newDimBuilder(&l.Dims[i], l.zone)
		}
	}
	for i := range l.Measures {
		b.lifts = append(b.lifts, l.Measures[i].plan().lift(&l.Measures[i]))
	}
	return b
}

// Rows returns the number of events taken in.
func (b *Block) Rows() int { return b.rows }

// MemBytes returns what the block holds of memory. Grouping needs some 40 bytes an event more while it lasts.
func (b *Block) MemBytes() (n int64) {
	for _, d := range b.dims {
		if d != nil {
			n += d.memBytes()
		}
	}
	for _, l := range b.lifts {
		n += l.memBytes()
	}
	return n
}

// Add takes in rows [from, to) of a chunk of schema s, read from a partition. Only the columns of Layout.Fields need be
// there. A column that s does not have is null; one of another type is an error.
func (b *Block) Add(s *stage.Schema, c *stage.Chunk, from, to int, partition int32) error {
	if s != b.schema {
		if err := b.bind(s); err != nil {
			return err
		}
	}
	e := &events{s, b.index, c, from, to, partition}
	for i, d := range b.dims {
		if d != nil {
			d.add(e.column(b.layout.Dims[i].Column), from, to)
		}
	}
	for _, l := range b.lifts {
		if err := l.add(e); err != nil {
			return err
		}
	}
	b.rows += to - from
	return nil
}

// bind finds the layout's columns in s.
func (b *Block) bind(s *stage.Schema) error {
	index := map[string]int{}
	take := func(c column) error {
		at := s.Field(c.name)
		if at < 0 {
			return nil
		}
		f := s.Fields[at]
		if f.Kind != c.kind || f.Type.Kind != c.typ.Kind || f.Type.Scale != c.typ.Scale {
			return fmt.Errorf("column %s is %s in events of version %d of the table, and %s in the cube's: read them by a cube of their own version",
				c.name, f.Type, s.Version, c.typ)
		}
		index[c.name] = at
		return nil
	}
	for i := range b.layout.Dims {
		if err := take(b.layout.Dims[i].source()); err != nil {
			return err
		}
	}
	for _, m := range b.layout.Measures {
		for _, c := range append(slices.Clone(m.by), m.of) {
			if err := take(c); err != nil {
				return err
			}
		}
	}
	b.schema, b.index = s, index
	return nil
}

// Cells groups the events and ends the use of the block. The error is an *OverflowError, or
// what IDs returned.
func (b *Block) Cells() (*Cells, error) {
	out := &Cells{Mask: b.mask, Dicts: make([]*Dict, len(b.dims))}
	ranks := make([][]uint32, len(b.dims))
	for i, d := range b.dims {
		if d != nil {
			out.Dicts[i], ranks[i] = d.done()
		}
	}
	keys := layKeys(out.Dicts, b.rows)
	for at := 0; at < b.rows; at += moveTile {
		for i, d := range b.dims {
			if d != nil {
				keys.put(i, at, d.codes[at:min(at+moveTile, b.rows)], ranks[i])
			}
		}
	}
	var groups []uint32
	groups, out.Keys = Group(keys)
	for i, l := range b.lifts {
		src, err := l.states(b.IDs)
		if err != nil {
			return nil, err
		}
		s := b.layout.Measures[i].New(out.Len())
		if err := s.Fold(groups, src, 0); err != nil {
			return nil, err
		}
		out.States = append(out.States, settled(s))
	}
	return out, nil
}
