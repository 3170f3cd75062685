package cells

import "github.com/tidemarkdb/tidemark/internal/cube"

// The weight of a state is about how many bytes it takes where it is stored: what a row group is cut by. It follows from
// the state alone, so equal states weigh the same however they came to be.

// Weight returns the weight of row i: its states and its codes.
func (c *Cells) Weight(i int) int {
	n := 4 * len(c.Dicts)
	for _, s := range c.States {
		n += s.(interface{ Weight(int) int }).Weight(i)
	}
	return n
}

// Weight returns the bytes of a number.
func (s *counts) Weight(int) int { return 8 }

// Weight returns the bytes of a decimal.
func (s *wideSums) Weight(int) int { return 16 }

// Weight returns the bytes of a number.
func (s *floatSums) Weight(int) int { return 8 }

// Weight returns the bytes of a sum and a count.
func (s *averages) Weight(int) int { return 24 }

// Weight returns the bytes of a word.
func (s *leastWords) Weight(int) int { return 8 }

// Weight returns the bytes of the value and its length.
func (s *leastBytes) Weight(i int) int { return 4 + int(s.of.spans[i].size) }

// Weight returns the bytes of the value and its place.
func (s *firsts) Weight(i int) int {
	if inWords(s.kind) {
		return 32
	}
	return 28 + int(s.bytes.spans[i].size)
}

// Weight returns the bytes of coupons or registers.
func (s *sketches) Weight(i int) int {
	switch {
	case s.single != nil:
		return hllListStart + 4
	case s.isDense(i):
		return hllArrayStart + 1<<s.precision
	}
	return hllSetStart + 4*len(s.sets.get(i))
}

// Weight returns some bytes for each id; runs of them would be shorter.
func (s *idSets[T]) Weight(i int) int {
	if s.single != nil {
		return 20
	}
	return 16 + 4*len(s.sets.get(i))
}

// Weight returns the bytes of the centroids.
func (s *digests) Weight(i int) int {
	if s.single != nil {
		return 16
	}
	return 32 + 16*len(s.get(i))
}

// Weight returns the bytes of the tuples, with some for their sums and errors.
func (s *tops[W]) Weight(i int) int {
	if s.single != nil {
		return 32
	}
	n := 8
	for _, e := range s.get(i) {
		n += 12 + int(s.tuples.values.spans[e.tuple].size)
	}
	return n
}

// WeightAtMost returns what the states of the part's rows weigh together at most. It costs nothing; false: only adding them
// up tells.
func (p Part) WeightAtMost() (n int, ok bool) {
	rows := p.To - p.From
	for _, s := range p.Cells.States {
		switch s := s.(type) {
		case *counts, *wideSums, *floatSums, *averages, *leastWords:
			n += 24 * rows
		case *sketches:
			if s.dense != nil {
				return 0, false
			}
			n += hllSetStart*rows + 4*s.sets.elements(p.From, p.To)
		default:
			return 0, false
		}
	}
	return n, true
}

// StateLimit says whether a state of the measure grows with the values that it has seen, and the bytes that it takes at most;
// 0: no limit that follows from the definition alone.
func (m *Measure) StateLimit() (bytes int, grows bool) {
	switch m.Function {
	case cube.CountDistinct:
		return hllArrayStart + 1<<m.Precision, true
	case cube.Percentile:
		return 24 + 16*maxCentroids(m.Compression), true
	case cube.CountDistinctExact, cube.TopN:
		return 0, true
	}
	return 0, false
}
