package cells

import (
	"math"
	"math/bits"
	"slices"
)

// sets are sets of numbers, one a state, ascending and one after the other (C5). What is added waits until settle, which
// sorts all that waits at once.
type sets[T uint32 | uint64] struct {
	n    int
	ends []uint32 // where the numbers of set i end in of; they begin where those of set i-1 end
	of   []T

	waitGroups []uint32
	waitFor    []T
}

// newSets returns n empty sets.
func newSets[T uint32 | uint64](n int) sets[T] { return sets[T]{n: n, ends: make([]uint32, n)} }

// get returns the numbers of set i as of the last settle.
func (s *sets[T]) get(i int) []T {
	from := uint32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.of[from:s.ends[i]:s.ends[i]]
}

func (s *sets[T]) memBytes() int64 {
	var one T
	size := 4
	if uint64(^one) > math.MaxUint32 {
		size = 8
	}
	return int64(4*(cap(s.ends)+cap(s.waitGroups)) + size*(cap(s.of)+cap(s.waitFor)))
}

// add puts v into set g.
func (s *sets[T]) add(g uint32, v T) {
	s.waitGroups = append(s.waitGroups, g)
	s.waitFor = append(s.waitFor, v)
}

// addAll puts ascending vs into set g.
func (s *sets[T]) addAll(g uint32, vs []T) {
	for range vs {
		s.waitGroups = append(s.waitGroups, g)
	}
	s.waitFor = append(s.waitFor, vs...)
}

// minWaiting is from how many waiting numbers on it pays to settle before the end.
const minWaiting = 1 << 18

// full reports whether as much waits as there is: settling then costs each number a few times its share.
func (s *sets[T]) full() bool { return len(s.waitFor) > max(minWaiting, len(s.of)) }

// settle brings what waits into the sets. What it does depends on no more than what was added.
func (s *sets[T]) settle() {
	if len(s.waitFor) == 0 {
		return
	}
	// Count, then place: the numbers that were there first, then those that waited.
	starts := make([]uint32, s.n+1)
	for _, g := range s.waitGroups {
		starts[g+1]++
	}
	for i := range s.n {
		had := s.ends[i]
		if i > 0 {
			had -= s.ends[i-1]
		}
		starts[i+1] += starts[i] + had
	}
	all := make([]T, starts[s.n])
	at := slices.Clone(starts[:s.n])
	if len(s.of) > 0 {
		for i := range s.n {
			at[i] += uint32(copy(all[at[i]:], s.get(i)))
		}
	}
	for k, g := range s.waitGroups {
		all[at[g]] = s.waitFor[k]
		at[g]++
	}
	kept := uint32(0)
	for i := range s.n {
		set := all[starts[i]:starts[i+1]]
		if len(set) > 1 {
			set = sortSet(set)
		}
		kept += uint32(copy(all[kept:], set))
		s.ends[i] = kept
	}
	s.of = all[:kept]
	s.waitGroups, s.waitFor = nil, nil
}

// sortSet sorts numbers and drops repeats, in their place.
func sortSet[T uint32 | uint64](set []T) []T {
	const few, many = 24, 1 << 12
	switch {
	case len(set) <= few:
		for i := 1; i < len(set); i++ {
			v, at := set[i], i
			for ; at > 0 && set[at-1] > v; at-- {
				set[at] = set[at-1]
			}
			set[at] = v
		}
	case len(set) < many || slices.IsSorted(set):
		slices.Sort(set)
	default:
		words := make([]uint64, len(set))
		high := uint64(0)
		for i, v := range set {
			words[i] = uint64(v)
			high |= uint64(v)
		}
		_, distinct := group64(words, bits.Len64(high))
		for i, w := range distinct {
			set[i] = T(w)
		}
		return set[:len(distinct)]
	}
	return slices.Compact(set)
}
