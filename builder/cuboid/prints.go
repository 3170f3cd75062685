package cuboid

import (
	"encoding/binary"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// Prints are fingerprints of cuboids: for each column of counts and exact sums, the sum modulo 2^64 over all rows of the
// column's number times the hash of the row's dimensions. Both are additive, so that rows of a cuboid have the print that the
// rows have of every larger cuboid it can be made of, and of the events. A number in a wrong row changes it. So it is with the
// values of top_n states that have dropped none, and their sums. Of sets of ids the pairs of row and id are hashed, and the
// smallest hashes kept: all of them, or a sample where there are more than sampleHashes.
type Prints struct {
	masks []uint64
	sums  [][]uint64 // per mask and column
	names []string   // of the columns

	tops []itemPrint
	sets []itemPrint
	held batch // of one call of Add; kept for its memory
}

// itemPrint is of a measure whose states are items.
type itemPrint struct {
	name    string
	sums    []uint64   // per mask, of a top_n
	dropped bool       // of a top_n: a state may lack values, and its sums say nothing
	pairs   []smallest // per mask, of sets
}

// sampleHashes bounds the hashes that all sets of Prints keep together, of all cuboids; as many again wait to be sorted. One set
// of one cuboid keeps at most mostHashes.
const (
	sampleHashes = 1 << 20
	mostHashes   = 1 << 16
)

// NewPrints returns the fingerprints that no rows give to the cuboids.
func NewPrints(l *cells.Layout, masks ...uint64) *Prints {
	p := &Prints{masks: masks, sums: make([][]uint64, len(masks))}
	for i := range l.Measures {
		m := &l.Measures[i]
		switch m.Function {
		case cube.TopN:
			p.tops = append(p.tops, itemPrint{name: m.Name, sums: make([]uint64, len(masks))})
		case cube.CountDistinctExact:
			p.sets = append(p.sets, itemPrint{name: m.Name, pairs: make([]smallest, len(masks))})
		}
		for _, spec := range m.Columns() {
			if additive(m, spec) {
				p.names = append(p.names, spec.Name)
			}
		}
	}
	for k := range p.sums {
		p.sums[k] = make([]uint64, len(p.names))
	}
	for i := range p.sets {
		keep := sampleHashes / (len(p.sets) * len(masks)) // above 0: there are at most 200 measures and 4096 cuboids
		for k := range p.sets[i].pairs {
			p.sets[i].pairs[k].keep = min(max(keep, 1), mostHashes)
		}
	}
	return p
}

func additive(m *cells.Measure, spec cells.ColumnSpec) bool {
	switch m.Function {
	case cube.Count, cube.Sum, cube.Avg:
		return spec.Kind == pages.Int64 || spec.Kind == pages.Decimal128
	}
	return false
}

// Add takes in all rows of c, which must have the dimensions of all masks.
func (p *Prints) Add(l *cells.Layout, c *cells.Cells) {
	keys := newKeyWords(c)
	p.addNumbers(l, c, keys)
	tops, sets := p.tops, p.sets
	for i := range l.Measures {
		switch l.Measures[i].Function {
		case cube.TopN:
			p.addTops(&tops[0], c.States[i], keys)
			tops = tops[1:]
		case cube.CountDistinctExact:
			p.addSets(&sets[0], c.States[i], keys)
			sets = sets[1:]
		}
	}
}

func (p *Prints) addNumbers(l *cells.Layout, c *cells.Cells, keys *keyWords) {
	n := c.Len()
	var numbers [][]uint64
	for i := range l.Measures {
		m := &l.Measures[i]
		if m.Function != cube.Count && m.Function != cube.Sum && m.Function != cube.Avg {
			continue // to write sketches out is dear
		}
		cols := c.States[i].Columns(0, n)
		for j, spec := range m.Columns() {
			if additive(m, spec) {
				numbers = append(numbers, lowWords(&cols[j]))
			}
		}
	}
	for k, mask := range p.masks {
		for row, h := range keys.hashes(mask, 0, n) {
			word := wordOf(h)
			for i := range numbers {
				p.sums[k][i] += word * numbers[i][row]
			}
		}
	}
}

func (p *Prints) addTops(t *itemPrint, s cells.States, keys *keyWords) {
	whole := p.eachBatch(s.(cells.Items), s.Len(), func(b *batch) {
		for k, mask := range p.masks {
			for i, h := range keys.hashes(mask, b.first, b.first+len(b.ends)) {
				word := wordOf(h)
				for _, item := range b.of(i) {
					t.sums[k] += (pairHash(word, item.Hash) | 1) * item.Amount
				}
			}
		}
	})
	t.dropped = t.dropped || !whole
}

func (p *Prints) addSets(t *itemPrint, s cells.States, keys *keyWords) {
	p.eachBatch(s.(cells.Items), s.Len(), func(b *batch) { // sets are always whole
		for k, mask := range p.masks {
			for i, h := range keys.hashes(mask, b.first, b.first+len(b.ends)) {
				word := wordOf(h)
				for _, item := range b.of(i) {
					t.pairs[k].add(pairHash(word, item.Hash))
				}
			}
		}
	})
}

// wordOf is odd, so that no difference is lost.
func wordOf(h pages.Hash) uint64 { return h.Hi ^ h.Lo | 1 }

// batchItems is how many items of states are held at once: one state alone may have all ids of a segment.
const batchItems = 1 << 16

// batch is items of states that follow each other; of the first and of the last perhaps not all.
type batch struct {
	items []cells.Item
	first int   // state
	ends  []int // of each state from there on, in items
}

func (b *batch) of(i int) []cells.Item {
	if i == 0 {
		return b.items[:b.ends[0]]
	}
	return b.items[b.ends[i-1]:b.ends[i]]
}

// eachBatch calls do with all items of n states, batch by batch. It ends early, and whole is false, where a state lacks some.
func (p *Prints) eachBatch(s cells.Items, n int, do func(*batch)) (whole bool) {
	b := &p.held
	b.items, b.first, b.ends = b.items[:0], 0, b.ends[:0]
	for i, from := 0, 0; i < n; {
		had := len(b.items)
		var ok bool
		if b.items, ok = s.AppendItems(b.items, i, from, batchItems-had); !ok {
			return false
		}
		b.ends = append(b.ends, len(b.items))
		if len(b.items) < batchItems {
			i, from = i+1, 0
			continue
		}
		from += len(b.items) - had
		do(b)
		b.items, b.first, b.ends = b.items[:0], i, b.ends[:0]
	}
	if len(b.ends) > 0 {
		do(b)
	}
	return true
}

// pairHash mixes the hash of a row with that of an item (splitmix64).
func pairHash(row, item uint64) uint64 {
	h := row + item*0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// lowWords returns the low 64 bits of whole numbers; of null 0.
func lowWords(c *pages.Column) []uint64 {
	out := make([]uint64, c.Len())
	for i := range out {
		switch {
		case c.IsNull(i):
		case c.Kind == pages.Decimal128:
			out[i] = binary.BigEndian.Uint64(c.Bytes(i)[pages.DecimalBytes-8:])
		default:
			out[i] = uint64(c.Int(i))
		}
	}
	return out
}

// Differs names the first column in which the prints of a cuboid do not agree; "": none.
func (p *Prints) Differs(o *Prints, mask uint64) string {
	at, from := slices.Index(p.masks, mask), slices.Index(o.masks, mask)
	for i, name := range p.names {
		if k := slices.Index(o.names, name); k >= 0 && p.sums[at][i] != o.sums[from][k] {
			return name
		}
	}
	for i := range p.tops {
		a := &p.tops[i]
		if b := itemPrintOf(o.tops, a.name); b != nil && !a.dropped && !b.dropped && a.sums[at] != b.sums[from] {
			return a.name
		}
	}
	for i := range p.sets {
		a := &p.sets[i]
		if b := itemPrintOf(o.sets, a.name); b != nil && !a.pairs[at].same(&b.pairs[from]) {
			return a.name
		}
	}
	return ""
}

func itemPrintOf(list []itemPrint, name string) *itemPrint {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// smallest keeps the smallest of many numbers, each once.
type smallest struct {
	keep  int
	limit uint64 // numbers from here on are left out; 0: none was yet
	list  []uint64
}

func (s *smallest) add(v uint64) {
	if len(s.list) == 2*s.keep {
		s.settle()
	}
	if s.limit == 0 || v < s.limit {
		if len(s.list) == cap(s.list) {
			s.grow()
		}
		s.list = append(s.list, v)
	}
}

// grow makes room, and never for more than twice what is kept.
func (s *smallest) grow() {
	s.list = append(make([]uint64, 0, min(2*cap(s.list)+8, 2*s.keep)), s.list...)
}

func (s *smallest) settle() {
	slices.Sort(s.list)
	s.list = slices.Compact(s.list)
	if len(s.list) > s.keep {
		s.list, s.limit = s.list[:s.keep], s.list[s.keep]
	}
}

// same reports whether both have the same numbers, as far as both keep them.
func (s *smallest) same(o *smallest) bool {
	s.settle()
	o.settle()
	return slices.Equal(s.below(o.limit), o.below(s.limit))
}

func (s *smallest) below(limit uint64) []uint64 {
	if limit == 0 {
		return s.list
	}
	n, _ := slices.BinarySearch(s.list, limit)
	return s.list[:n]
}
