package cells

import (
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Ranked are states of a top_n.
type Ranked interface {
	// Signed reports whether any weight that was folded in is below zero. Of states out of a file it is known of what they still have.
	Signed() bool

	// Contradicts says why state 0 and state 0 of o cannot be of the same events; "": they can. Both have been folded into.
	Contradicts(o States, c RankedCheck) string
}

// RankedCheck says what is known of the events.
type RankedCheck struct {
	Unsigned bool  // no weight is below zero: else nothing bounds what a full state has dropped
	Floats   bool  // sums of float64 are compared too, which takes Unsigned
	States   int64 // how many came together in both, for the rounding of float64
}

// whole reports whether state i has all values that it took in: what drops some keeps as many as it can. Their sums have no error.
func (s *tops[W]) whole(i int) bool { return len(s.get(i)) < topCapacity(s.measure.N) }

func (s *tops[W]) Signed() bool { return s.signed }

// Contradicts compares states that are whole value by value, others by what their errors and floors leave open.
func (s *tops[W]) Contradicts(other States, c RankedCheck) string {
	o := sameKind(s, other)
	s.settle()
	o.settle()
	if why := s.against(o, c); why != "" {
		return why
	}
	if why := o.against(s, c); why != "" {
		return why + ", the other way round"
	}
	return ""
}

// against says of which value s must have more than o allows.
func (s *tops[W]) against(o *tops[W], c RankedCheck) string {
	whole := o.whole(0)
	sums := c.Unsigned || whole && s.whole(0)
	if _, float := any(o.floors[0]).(real); float {
		sums = c.Unsigned && c.Floats
	}
	most := map[string]W{}
	for _, e := range o.get(0) {
		most[string(o.tuples.values.get(int(e.tuple)))] = e.sum
	}
	mine := slices.Clone(s.get(0))
	s.rank(mine)
	for _, e := range mine {
		tuple := s.tuples.values.get(int(e.tuple))
		limit, there := most[string(tuple)]
		switch {
		case !there && whole:
			return fmt.Sprintf("%.60q has %v and there is no such value", tuple, e.sum)
		case !there:
			limit = o.floors[0]
		}
		// The greatest sum bounds what was rounded on the way to any.
		if least := e.sum.minus(e.err); sums && exceeds(least, limit, mine[0].sum.plus(limit), c.States) {
			return fmt.Sprintf("%.60q has at least %v and at most %v", tuple, least, limit)
		}
	}
	return ""
}

// exceeds reports whether v is above o, and of float64 by more than n additions of numbers up to scale round: what is not finite
// exceeds nothing.
func exceeds[W weight[W]](v, o, scale W, n int64) bool {
	if v, float := any(v).(real); float {
		by := float64(v - any(o).(real))
		return by > math.Ldexp(float64(n)*float64(any(scale).(real)), -50) && !math.IsInf(by, 0)
	}
	return v.compare(o) > 0
}

func (v int128) String() string {
	n := new(big.Int).Lsh(big.NewInt(v.hi), 64)
	return n.Add(n, new(big.Int).SetUint64(v.lo)).String()
}
