package cells

import (
	"fmt"
	"slices"
	"sort"
)

// Cells are rows of one cuboid: dimensions that have the same values in no other row, and what the events of such values
// add up to. Rows ascend by key (C2).
type Cells struct {
	Mask   uint64   // of the cuboid: bit n-1-i is dimension i of the layout's n
	Dicts  []*Dict  // per dimension of the layout; nil where it is absent
	Keys   Keys     // packed with Dicts
	States []States // per measure of the layout
}

// Len returns the number of rows.
func (c *Cells) Len() int { return c.Keys.Len() }

// MemBytes returns what the cells hold of memory, their dictionaries included.
func (c *Cells) MemBytes() int64 {
	n := int64(8 * cap(c.Keys.data))
	for _, d := range c.Dicts {
		if d != nil {
			n += columnBytes(&d.Values)
		}
	}
	for _, s := range c.States {
		n += s.MemBytes()
	}
	return n
}

// NewCells returns the cells of codes and states as they lie in a file: codes[i] are those of dimension i of the layout, nil
// where mask has it not. The error says which row does not ascend, or which code its dictionary does not have.
func NewCells(mask uint64, dicts []*Dict, codes [][]uint32, states []States) (*Cells, error) {
	n := 0
	if len(states) > 0 {
		n = states[0].Len()
	}
	for i, s := range states {
		if s.Len() != n {
			return nil, fmt.Errorf("measure %d has %d states, want %d", i, s.Len(), n)
		}
	}
	c := &Cells{Mask: mask, Dicts: slices.Clone(dicts), Keys: layKeys(dicts, n), States: states}
	for i, d := range dicts {
		if present := mask>>(len(dicts)-1-i)&1 == 1; present != (d != nil) {
			return nil, fmt.Errorf("dimension %d has a dictionary: %t, in cuboid %b", i, d != nil, mask)
		}
		if d == nil {
			continue
		}
		if len(codes[i]) != n {
			return nil, fmt.Errorf("dimension %d has %d rows, want %d", i, len(codes[i]), n)
		}
		for row, code := range codes[i] {
			if int(code) >= d.Len() {
				return nil, fmt.Errorf("dimension %d, row %d: code %d of a dictionary of %d", i, row, code, d.Len())
			}
		}
		c.Keys.put(i, 0, codes[i], nil)
	}
	for i := 1; i < n; i++ {
		if c.compareKeys(i-1, i) >= 0 {
			return nil, fmt.Errorf("row %d does not come after the one before it", i)
		}
	}
	return c, nil
}

func (c *Cells) compareKeys(i, j int) int {
	w := c.Keys.words
	return slices.Compare(c.Keys.data[i*w:(i+1)*w], c.Keys.data[j*w:(j+1)*w])
}

// Compare orders row i against row j of o, which is of the same cuboid.
func (c *Cells) Compare(i int, o *Cells, j int) int {
	for dim, d := range c.Dicts {
		if d == nil {
			continue
		}
		if order := d.Compare(c.Keys.Code(i, dim), o.Dicts[dim], o.Keys.Code(j, dim)); order != 0 {
			return order
		}
	}
	return 0
}

// Upto returns how many rows of c from row on are not after row j of o, which is of the same cuboid.
func (c *Cells) Upto(from int, o *Cells, j int) int {
	return sort.Search(c.Len()-from, func(i int) bool { return c.Compare(from+i, o, j) > 0 })
}

// Tail returns the first row that has the values of the last one in the first dims dimensions of the cuboid. There must be a row.
func (c *Cells) Tail(dims int) int {
	last := c.Len() - 1
	return sort.Search(last, func(i int) bool {
		left := dims
		for dim, d := range c.Dicts {
			if d == nil {
				continue
			}
			if left == 0 {
				break
			}
			left--
			if c.Keys.Code(i, dim) != c.Keys.Code(last, dim) {
				return false
			}
		}
		return true
	})
}

// SharedDims returns how many dimensions two cuboids begin with in common.
func (l *Layout) SharedDims(a, b uint64) (n int) {
	for i := range l.Dims {
		if bit := l.bit(i); (a^b)&bit != 0 {
			return n
		} else if a&bit != 0 {
			n++
		}
	}
	return n
}

// Part is rows [From, To) of cells.
type Part struct {
	Cells    *Cells
	From, To int
}

func (p Part) whole() bool { return p.From == 0 && p.To == p.Cells.Len() }

// Combine groups the rows of parts, whose cuboids have all dimensions of mask, to the cells of mask: parts of one cuboid
// are merged, and of a larger one rolled up. States fold in the order of parts (C3). The cells' dictionaries hold no value
// that no row has. There must be a part. The error is an *OverflowError.
func (l *Layout) Combine(mask uint64, parts ...Part) (*Cells, error) {
	n := 0
	for _, p := range parts {
		n += p.To - p.From
	}
	out := &Cells{Mask: mask, Dicts: make([]*Dict, len(l.Dims))}
	remap := make([][][]uint32, len(parts)) // of each part and dimension
	for k := range remap {
		remap[k] = make([][]uint32, len(l.Dims))
	}
	for i := range l.Dims {
		if mask&l.bit(i) != 0 {
			out.Dicts[i] = combineDicts(parts, i, remap)
		}
	}
	keys := layKeys(out.Dicts, n)
	at := 0
	for k, p := range parts {
		keys.copyFrom(at, &p.Cells.Keys, p.From, p.To, remap[k])
		at += p.To - p.From
	}
	var groups []uint32
	groups, out.Keys = Group(keys)
	for i := range l.Measures {
		s := l.Measures[i].New(out.Len())
		at := 0
		for _, p := range parts {
			if err := s.Fold(groups[at:at+p.To-p.From], p.Cells.States[i], p.From); err != nil {
				return nil, err
			}
			at += p.To - p.From
		}
		out.States = append(out.States, settled(s))
	}
	return out, nil
}

func settled(s States) States {
	if w, ok := s.(settler); ok {
		w.settle()
	}
	return s
}

// combineDicts merges the dictionaries that parts have of a dimension, and leaves in remap what becomes of their codes.
func combineDicts(parts []Part, dim int, remap [][][]uint32) *Dict {
	ds := make([]*Dict, len(parts))
	for k, p := range parts {
		if ds[k] = p.Cells.Dicts[dim]; !p.whole() {
			ds[k], remap[k][dim] = ds[k].keep(p.used(dim))
		}
	}
	merged, codes := MergeDicts(ds)
	for k := range parts {
		if first := remap[k][dim]; first != nil && codes[k] != nil {
			for c := range first {
				first[c] = codes[k][first[c]]
			}
		} else if first == nil {
			remap[k][dim] = codes[k]
		}
	}
	return merged
}

// used marks the codes of a dimension that the part's rows have.
func (p Part) used(dim int) []bool {
	used := make([]bool, p.Cells.Dicts[dim].Len())
	k := &p.Cells.Keys
	f := k.fields[dim]
	left := len(used)
	for i := p.From*k.words + f.word; i < p.To*k.words && left > 0; i += k.words {
		if u := &used[k.data[i]>>f.shift&f.mask]; !*u {
			*u = true
			left--
		}
	}
	return used
}
