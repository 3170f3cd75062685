package run

// morsel is how many rows are worked on at once: what is worked out of them then lies in a near cache.
const morsel = 8192

// scratch is the memory of one thread of a query. It is handed on from query to query.
type scratch struct {
	rows, part   []uint32
	groups, some []uint32
	zeros        []uint32 // never written
	keys         []uint64
	masks        [][]uint8
	tabs         [][]uint32 // per axis
	place        []uint32   // by row of the morsel: its group
}

func newScratch() *scratch {
	line := func() []uint32 { return make([]uint32, morsel) }
	return &scratch{rows: line(), part: line(), groups: line(), some: line(), zeros: line(), place: line(), keys: make([]uint64, morsel)}
}

func (r *Runner) getScratch() *scratch {
	if s, ok := r.scratch.Get().(*scratch); ok {
		return s
	}
	return newScratch()
}

// mask returns n bytes, which the caller gives back by appending them to masks.
func (s *scratch) mask(n int) []uint8 {
	if k := len(s.masks); k > 0 {
		m := s.masks[k-1]
		s.masks = s.masks[:k-1]
		return m[:n]
	}
	return make([]uint8, n, morsel)
}
