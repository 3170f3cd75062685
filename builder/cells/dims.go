package cells

import (
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// source returns the column that the dimension is made of.
func (d *Dim) source() column { return column{d.Column, d.Kind, d.Type} }

// dimBuilder gives the values of a dimension codes in order of appearance, and sorts them in the end.
type dimBuilder struct {
	kind  stage.Kind
	grain *grain // nil: the value itself
	codes []uint32

	slots []slot
	words []uint64  // distinct values, ordered words
	bytes *interner // of kinds that are no words

	dict  *stage.Column // the last chunk's, and the codes of its values, 0 where none was met yet
	remap []uint32
}

func newDimBuilder(d *Dim, zone *time.Location) *dimBuilder {
	b := &dimBuilder{kind: d.Kind, slots: make([]slot, 64), bytes: newInterner()}
	if d.Grain != "" {
		b.grain = &grain{span: d.Grain, zone: zone, date: d.Type.Kind == cube.Date}
	}
	return b
}

func (b *dimBuilder) memBytes() int64 {
	return int64(4*cap(b.codes)+16*cap(b.slots)+8*cap(b.words)+4*cap(b.remap)) + b.bytes.memBytes()
}

// add appends the codes of rows [from, to); without a column they are null.
func (b *dimBuilder) add(c *stage.Column, from, to int) {
	at := len(b.codes)
	b.codes = slices.Grow(b.codes, to-from)[:at+to-from]
	codes := b.codes[at:]
	switch {
	case c == nil:
		clear(codes)
	case c.Dict != nil:
		b.addCoded(c, from, codes)
	case !bitset(c.Nulls).any(from, to):
		b.addPlain(c, from, codes)
	default:
		for i := 0; i < len(codes); { // runs without nulls: the value in a null's slot is none
			end := i
			for end < len(codes) && !c.IsNull(from+end) {
				end++
			}
			b.addPlain(c, from+i, codes[i:end])
			if i = end; i < len(codes) {
				codes[i] = 0
				i++
			}
		}
	}
}

// addPlain sets the codes of rows from on of a column without a dictionary, none of which is null.
func (b *dimBuilder) addPlain(c *stage.Column, from int, codes []uint32) {
	to := from + len(codes)
	switch {
	case b.grain != nil:
		b.addGrains(c.Ints[from:to], codes)
	case b.kind == stage.Float64:
		for i, v := range c.Floats[from:to] {
			codes[i] = b.word(orderFloat(v))
		}
	case inWords(b.kind):
		b.addInts(c.Ints[from:to], codes)
	default:
		for i := range codes {
			codes[i] = 1 + b.bytes.code(c.Bytes(from+i))
		}
	}
}

// addCoded looks up a dictionary's value once, not once a row.
func (b *dimBuilder) addCoded(c *stage.Column, from int, codes []uint32) {
	if c.Dict != b.dict {
		b.dict, b.remap = c.Dict, make([]uint32, c.Dict.Len())
	}
	for i := range codes {
		if c.IsNull(from + i) {
			codes[i] = 0
			continue
		}
		v := c.Codes[from+i]
		if b.remap[v] == 0 {
			b.remap[v] = b.code(c.Dict, int(v))
		}
		codes[i] = b.remap[v]
	}
}

// code returns the code of value i of a column without a dictionary.
func (b *dimBuilder) code(c *stage.Column, i int) uint32 {
	switch {
	case b.grain != nil:
		return b.word(orderInt(b.grain.start(c.Ints[i])))
	case b.kind == stage.Float64:
		return b.word(orderFloat(c.Floats[i]))
	case inWords(b.kind):
		return b.word(orderInt(c.Ints[i]))
	}
	return 1 + b.bytes.code(c.Bytes(i))
}

func (b *dimBuilder) addInts(vs []int64, codes []uint32) {
	last, code := int64(0), uint32(0)
	for i, v := range vs {
		if v != last || code == 0 {
			last, code = v, b.word(orderInt(v))
		}
		codes[i] = code
	}
}

// addGrains looks a start up only where the value leaves the span of the one before it.
func (b *dimBuilder) addGrains(vs []int64, codes []uint32) {
	code := uint32(0)
	for i, v := range vs {
		if code == 0 || v < b.grain.lo || v >= b.grain.hi {
			code = b.word(orderInt(b.grain.start(v)))
		}
		codes[i] = code
	}
}

func (b *dimBuilder) word(w uint64) (code uint32) {
	if 2*len(b.words) >= len(b.slots) {
		b.slots = rehash(b.words, 4*len(b.slots))
	}
	code, b.words = find(b.slots, b.words, w)
	return code + 1
}

// done returns the dictionary, and the code in it of each code given so far.
func (b *dimBuilder) done() (*Dict, []uint32) {
	d := &Dict{stage.Column{Kind: b.kind}}
	if inWords(b.kind) {
		ranks, sorted := groupWords(b.words)
		for _, w := range sorted {
			appendWord(&d.Values, w)
		}
		return d, shifted(ranks)
	}
	order := sortValues(b.kind, &b.bytes.values)
	ranks := make([]uint32, len(order))
	for rank, i := range order {
		d.Values.AppendBytes(b.bytes.values.get(int(i)))
		ranks[i] = uint32(rank)
	}
	return d, shifted(ranks)
}

// shifted returns codes that leave 0 to null.
func shifted(ranks []uint32) []uint32 {
	out := make([]uint32, len(ranks)+1)
	for i, r := range ranks {
		out[i+1] = r + 1
	}
	return out
}

// sortValues returns the places of distinct values in ascending order.
func sortValues(k stage.Kind, v *values) []uint32 {
	type item struct {
		prefix uint64
		at     uint32
	}
	items := make([]item, len(v.spans))
	for i := range items {
		items[i] = item{prefix(k, v.get(i)), uint32(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.prefix != b.prefix {
			return compareWords(a.prefix, b.prefix)
		}
		return compareBytes(k, v.get(int(a.at)), v.get(int(b.at)))
	})
	out := make([]uint32, len(items))
	for i, it := range items {
		out[i] = it.at
	}
	return out
}

// columnBytes returns what a dictionary's column holds of memory.
func columnBytes(c *stage.Column) int64 {
	return int64(8*(cap(c.Ints)+cap(c.Floats)) + cap(c.Data) + 4*cap(c.Ends))
}
