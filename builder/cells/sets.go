package cells

import (
	"math/bits"
	"slices"
)

// sets are lists of numbers, ascending and without repeats once they are settled.
type sets[T uint32 | uint64] struct{ lists[T] }

func newSets[T uint32 | uint64](n int) sets[T] { return sets[T]{newLists[T](n)} }

// settle brings what waits into the sets.
func (s *sets[T]) settle() {
	if len(s.pieces) == 0 {
		return
	}
	all, starts := s.place()
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
}

// few is up to how many numbers are sorted one by one.
const few = 24

// sortSet sorts numbers and drops repeats, in their place.
func sortSet[T uint32 | uint64](set []T) []T {
	const many = 1 << 12
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
