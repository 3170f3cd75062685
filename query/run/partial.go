package run

import (
	"math/bits"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// partial are the groups that one thread has met so far, and their states. While the ids of the axes are few all groups
// that there can be have a place (dense); else places are given out in order of appearance.
type partial struct {
	q      *Query
	widths []uint  // bits of each axis
	shifts []uint  // of a dense group's axes
	seen   []uint8 // of a dense group: 1 where it was met; nil: where its count of events, a state of the answer, is above 0
	levels []*level
	sizes  []int // of the axes, so far
	n      int   // groups
	states []cells.Folding
	mem    int64 // what the query's memory counts of it
}

// sparseRows is up to how many groups a row they may be dense.
const sparseRows = 4

// level makes a key of the place at the level before, if there is one, and of as many axes as fit.
type level struct {
	after  bool // the place at the level before is the key's lower 32 bits
	axes   []int
	shifts []uint
	table  table
}

// newPartial returns one for axes of the given sizes. rows are about to come.
func (q *Query) newPartial(sizes []int, rows int64) *partial {
	p := &partial{q: q, widths: make([]uint, len(sizes)), shifts: make([]uint, len(sizes)), sizes: slices.Clone(sizes)}
	total := uint(0)
	for i, n := range sizes {
		p.widths[i] = uint(bits.Len(uint(max(n-1, 0))))
		p.shifts[i] = total
		total += p.widths[i]
	}
	if t := &q.r.tuning; total <= t.fewBits || total <= t.denseBits && 1<<total <= sparseRows*rows {
		p.n = 1 << total
		if q.counted < 0 {
			p.seen = make([]uint8, p.n)
		}
	} else {
		p.levels = newLevels(p.widths, q.r.tuning.keyBits)
	}
	for i := range q.a.States {
		p.states = append(p.states, q.a.States[i].Measure.NewFolding(p.n))
	}
	return p
}

// newLevels packs axes into keys, of which the first has room for so many bits, and gives them the bits that are left over, so
// that they may grow.
func newLevels(widths []uint, room uint) []*level {
	var out []*level
	l, used := &level{table: newTable()}, uint(0)
	for i, width := range widths {
		if len(l.axes) > 0 && used+width > room {
			l.spread(widths, room-used)
			out = append(out, l)
			l, used, room = &level{after: true, table: newTable()}, 0, 32
		}
		l.axes = append(l.axes, i)
		used += width
	}
	l.spread(widths, max(room, used)-used)
	return append(out, l)
}

// spread widens the axes of a level, up to 32 bits each, and lays them side by side.
func (l *level) spread(widths []uint, spare uint) {
	at := uint(0)
	if l.after {
		at = 32
	}
	for k, i := range l.axes {
		more := min(spare/uint(len(l.axes)-k), 32-widths[i])
		widths[i] += more
		spare -= more
		l.shifts = append(l.shifts, at)
		at += widths[i]
	}
}

// fits reports whether axes of the given sizes have room, and then takes them for its own.
func (p *partial) fits(sizes []int) bool {
	for i, n := range sizes {
		if uint(bits.Len(uint(max(n-1, 0)))) > p.widths[i] {
			return false
		}
	}
	for i, n := range sizes {
		p.sizes[i] = max(p.sizes[i], n)
	}
	return true
}

// source is where the ids of an axis come from: codes of rows, and the id of each code.
type source struct {
	codes []uint32
	ids   []uint32 // nil: codes are ids
	shift uint     // of the axis in a group or key
	first bool     // nothing is there yet
}

// pack adds the ids of rows, all from row from on where rows is nil, to dst.
func pack[K uint32 | uint64](dst []K, x source, rows []uint32, from int) {
	shift := x.shift & 63
	switch {
	case x.ids == nil: // rows is nil too
		if x.first {
			clear(dst)
		}
		for i, id := range x.codes[from : from+len(dst)] {
			dst[i] |= K(id) << shift
		}
	case rows == nil && x.first:
		for i, c := range x.codes[from : from+len(dst)] {
			dst[i] = K(x.ids[c]) << shift
		}
	case rows == nil:
		for i, c := range x.codes[from : from+len(dst)] {
			dst[i] |= K(x.ids[c]) << shift
		}
	case x.first:
		for i, r := range rows[:len(dst)] {
			dst[i] = K(x.ids[x.codes[r]]) << shift
		}
	default:
		for i, r := range rows[:len(dst)] {
			dst[i] |= K(x.ids[x.codes[r]]) << shift
		}
	}
}

// groups returns the group of each of n rows, marks it as met, and makes room for its states.
func (p *partial) groups(s *scratch, sources []source, rows []uint32, from, n int) []uint32 {
	out := s.groups[:n]
	switch {
	case len(sources) == 0:
		return s.zeros[:n] // the only group, met or not
	case p.levels == nil:
		for i, x := range sources {
			x.shift, x.first = p.shifts[i], i == 0
			pack(out, x, rows, from)
		}
		if p.seen != nil {
			for _, g := range out {
				p.seen[g] = 1
			}
		}
		return out
	}
	keys := s.keys[:n]
	for _, l := range p.levels {
		if l.after {
			for i, id := range out {
				keys[i] = uint64(id)
			}
		}
		for k, i := range l.axes {
			x := sources[i]
			x.shift, x.first = l.shifts[k], k == 0 && !l.after
			pack(keys, x, rows, from)
		}
		l.table.places(out, keys)
	}
	if n := len(p.levels[len(p.levels)-1].table.keys); n > p.n {
		p.n = n
		for _, st := range p.states {
			st.Grow(n)
		}
	}
	return out
}

// met returns the groups that were met, ascending; without axes the only one there is.
func (p *partial) met() []uint32 {
	if p.levels != nil || len(p.widths) == 0 {
		return iota32(p.n)
	}
	out := make([]uint32, 0, p.n)
	if p.seen == nil {
		for g, n := range p.states[p.q.counted].Columns(0, p.n)[0].Ints {
			if n > 0 {
				out = append(out, uint32(g))
			}
		}
		return out
	}
	for g, met := range p.seen {
		if met != 0 {
			out = append(out, uint32(g))
		}
	}
	return out
}

// ids returns the ids of groups, by axis.
func (p *partial) ids(groups []uint32) [][]uint32 {
	out := make([][]uint32, len(p.widths))
	for i := range out {
		out[i] = make([]uint32, len(groups))
	}
	if p.levels == nil {
		for i, ids := range out {
			for k, g := range groups {
				ids[k] = g >> p.shifts[i] & (1<<p.widths[i] - 1)
			}
		}
		return out
	}
	places := slices.Clone(groups)
	for _, l := range slices.Backward(p.levels) {
		for k, place := range places {
			key := l.table.keys[place]
			for j, i := range l.axes {
				out[i][k] = uint32(key >> l.shifts[j] & (1<<p.widths[i] - 1))
			}
			places[k] = uint32(key)
		}
	}
	return out
}

// absorb takes in the groups of o, which are of the same query.
func (p *partial) absorb(s *scratch, o *partial) error {
	if p.levels == nil && o.levels == nil && slices.Equal(p.widths, o.widths) {
		return p.overlay(s, o)
	}
	met := o.met()
	for len(met) > 0 {
		part := met[:min(morsel, len(met))]
		met = met[len(part):]
		sources := make([]source, len(o.widths))
		for i, ids := range o.ids(part) {
			sources[i] = source{codes: ids}
		}
		groups := p.groups(s, sources, nil, 0, len(part))
		for i, st := range p.states {
			if err := st.FoldRows(groups, part, 0, o.states[i]); err != nil {
				return err
			}
		}
		if err := p.count(); err != nil {
			return err
		}
	}
	return nil
}

// overlay takes in the groups of o, which lie in the same places.
func (p *partial) overlay(s *scratch, o *partial) error {
	for from := 0; from < p.n; from += morsel {
		groups := s.groups[:min(morsel, p.n-from)]
		for i := range groups {
			groups[i] = uint32(from + i)
		}
		for i, st := range p.states {
			if err := st.FoldRows(groups, nil, from, o.states[i]); err != nil {
				return err
			}
		}
	}
	for g, met := range o.seen {
		p.seen[g] |= met
	}
	return p.count()
}

// count has the query's memory know what the partial holds.
func (p *partial) count() error {
	n := int64(len(p.seen))
	for _, l := range p.levels {
		n += l.table.memBytes()
	}
	for _, st := range p.states {
		n += st.MemBytes()
	}
	more := n - p.mem
	p.mem = n
	return p.q.mem.add(more)
}

// release has the query's memory forget the partial.
func (p *partial) release() {
	p.q.mem.bytes.Add(-p.mem)
	p.mem = 0
}
