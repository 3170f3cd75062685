package cells

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// topKind is top_n by space saving. A state keeps the topCapacity values with the largest sums and a floor: no value that
// it does not keep has a larger sum. When states fold, a value that one of them does not keep counts with that one's
// floor, which becomes part of its error: its true sum is at most its sum, and at least its sum less its error. While no
// sum is below zero, floors and errors are at most the sum of all divided by topCapacity.
type topKind[W weight[W]] struct {
	weigh func(e *events, c *stage.Column, i int) W
}

// topCapacity returns how many values a state keeps.
func topCapacity(n int) int { return max(1000, 10*n) }

// weight is what a top_n adds up.
type weight[W any] interface {
	int128 | real
	plus(W) W
	minus(W) W
	bound(W) (W, bool) // the receiver, which is not below zero, and the size of another; false beyond 38 digits
	compare(W) int
}

// entry is a value with its sum and its error.
type entry[W weight[W]] struct {
	tuple    uint32 // its place in tuples
	sum, err W
}

func (topKind[W]) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Bytes}}
}

func (topKind[W]) make(m *Measure, n int) States {
	return &tops[W]{measure: m, n: n, ends: make([]uint32, n), floors: make([]W, n), more: make([]W, n), bounds: make([]W, n), tuples: newInterner()}
}

func (k topKind[W]) lift(m *Measure) lifter {
	return &topLifter[W]{weigh: k.weigh, out: tops[W]{measure: m, tuples: newInterner()}}
}

// tops have entries one state after the other, in no order within one until they are written. States of events are in
// single: one entry each, or none where a bit of none is set.
type tops[W weight[W]] struct {
	measure *Measure
	dirty   bool // folded into since settle
	signed  bool // a weight below zero was folded in
	single  []entry[W]
	none    bitset
	tuples  *interner

	n      int
	ends   []uint32
	of     []entry[W]
	floors []W

	waitGroups []uint32
	waitFor    []entry[W] // sum and error are less the floor of the state they come from
	more       []W        // of floors
	bounds     []W        // no sum that a state can come to is larger

	from  *interner // of what was folded in last, and the codes here of its tuples plus one; 0: not asked for yet
	remap []uint32
}

func (s *tops[W]) Len() int { return max(len(s.single), s.n) }

func (s *tops[W]) MemBytes() int64 {
	const size = 40
	return int64(size*(cap(s.single)+cap(s.of)+cap(s.waitFor))+8*cap(s.none)+16*(cap(s.floors)+cap(s.more)+cap(s.bounds))+
		4*(cap(s.ends)+cap(s.waitGroups)+cap(s.remap))) + s.tuples.memBytes()
}

func (s *tops[W]) get(i int) []entry[W] {
	from := uint32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.of[from:s.ends[i]]
}

func (s *tops[W]) Fold(groups []uint32, src States, from int) error {
	return s.FoldRows(groups, nil, from, src)
}

// FoldRows implements Folding.
func (s *tops[W]) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	in.settle()
	if s.from != in.tuples || len(s.remap) != in.tuples.len() {
		s.from, s.remap = in.tuples, make([]uint32, in.tuples.len())
	}
	s.dirty, s.signed = true, s.signed || in.signed
	fits, ok, zero := true, true, *new(W)
	for i, g := range groups {
		r := at(rows, from, i)
		if in.single != nil {
			if in.none.has(r) {
				continue
			}
			e := in.single[r]
			e.tuple = s.mine(e.tuple)
			s.signed = s.signed || e.sum.compare(zero) < 0
			s.waitGroups, s.waitFor = append(s.waitGroups, g), append(s.waitFor, e)
			s.bounds[g], ok = s.bounds[g].bound(e.sum)
			fits = fits && ok
			continue
		}
		floor := in.floors[r]
		s.more[g] = s.more[g].plus(floor)
		s.bounds[g], ok = s.bounds[g].bound(floor)
		fits = fits && ok
		for _, e := range in.get(r) {
			s.bounds[g], ok = s.bounds[g].bound(e.sum)
			fits = fits && ok
			s.signed = s.signed || e.sum.compare(zero) < 0
			s.waitGroups = append(s.waitGroups, g)
			s.waitFor = append(s.waitFor, entry[W]{s.mine(e.tuple), e.sum.minus(floor), e.err.minus(floor)})
		}
	}
	if !fits {
		return &OverflowError{s.measure.Name}
	}
	return nil // all waits until settle: to drop values in between would make states depend on what else is folded (I6)
}

// mine returns the code that a tuple of s.from has here.
func (s *tops[W]) mine(tuple uint32) uint32 {
	if s.remap[tuple] == 0 {
		s.remap[tuple] = s.tuples.code(s.from.values.get(int(tuple))) + 1
	}
	return s.remap[tuple] - 1
}

// settle brings what waits into the states, and drops what they cannot keep.
func (s *tops[W]) settle() {
	if !s.dirty {
		return
	}
	s.dirty, s.from, s.remap = false, nil, nil
	all, groups := s.gather()
	capacity := topCapacity(s.measure.N)
	s.of, s.waitGroups, s.waitFor = all[:0], nil, nil
	dropped := false
	for g, at := 0, 0; g < s.n; g++ {
		to := at
		for to < len(all) && int(groups[to]) == g {
			to++
		}
		entries := all[at:to]
		at = to
		s.floors[g] = s.floors[g].plus(s.more[g])
		for i := range entries {
			e := &entries[i]
			e.sum, e.err = e.sum.plus(s.floors[g]), e.err.plus(s.floors[g])
		}
		if len(entries) > capacity {
			s.rank(entries)
			if next := entries[capacity].sum; next.compare(s.floors[g]) > 0 {
				s.floors[g] = next
			}
			entries, dropped = entries[:capacity], true
		}
		s.of = append(s.of, entries...) // in place: entries lie behind
		s.ends[g] = uint32(len(s.of))
	}
	clear(s.more)
	if dropped {
		s.forget()
	}
}

// gather adds up the entries of each state by value, floors not counted, and returns them with their states, ascending.
func (s *tops[W]) gather() (all []entry[W], groups []uint32) {
	n := len(s.of) + len(s.waitFor)
	tupleBits := bits.Len(uint(s.tuples.len()))
	keys := make([]uint64, 0, n)
	flat := make([]entry[W], 0, n)
	for g := range s.n {
		for _, e := range s.get(g) {
			flat = append(flat, entry[W]{e.tuple, e.sum.minus(s.floors[g]), e.err.minus(s.floors[g])})
			keys = append(keys, uint64(g)<<tupleBits|uint64(e.tuple))
		}
	}
	for i, e := range s.waitFor {
		flat = append(flat, e)
		keys = append(keys, uint64(s.waitGroups[i])<<tupleBits|uint64(e.tuple))
	}
	places, distinct := group64(keys, tupleBits+bits.Len(uint(s.n)))
	all, groups = make([]entry[W], len(distinct)), make([]uint32, len(distinct))
	for i, p := range places {
		all[p].sum, all[p].err = all[p].sum.plus(flat[i].sum), all[p].err.plus(flat[i].err)
	}
	for i, key := range distinct {
		all[i].tuple, groups[i] = uint32(key&(1<<tupleBits-1)), uint32(key>>tupleBits)
	}
	return all, groups
}

// rank sorts entries by their sums, the largest first, equal ones by value.
func (s *tops[W]) rank(entries []entry[W]) {
	slices.SortFunc(entries, func(a, b entry[W]) int {
		if c := b.sum.compare(a.sum); c != 0 {
			return c
		}
		return bytes.Compare(s.tuples.values.get(int(a.tuple)), s.tuples.values.get(int(b.tuple)))
	})
}

// forget drops the tuples that no entry has.
func (s *tops[W]) forget() {
	kept := newInterner()
	for i := range s.of {
		s.of[i].tuple = kept.code(s.tuples.values.get(int(s.of[i].tuple)))
	}
	s.tuples = kept
}
