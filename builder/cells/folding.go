package cells

import "math"

// Folding are states that a query folds into: those of Measure.NewFolding.
type Folding interface {
	States

	// FoldRows has state groups[i] take in state rows[i] of src, in the order of i; where rows is nil state from+i. It does
	// what Fold does, but keeps none of its arguments, and does not put all work off: states of percentile may be
	// compressed at any time (C4). The error is an *OverflowError, after which the receiver is of no use.
	FoldRows(groups, rows []uint32, from int, src States) error

	// FoldRun has state group take in states [from, to) of src, as FoldRows does.
	FoldRun(group uint32, from, to int, src States) error

	// Grow adds states that have taken in nothing until there are n.
	Grow(n int)
}

// Settle brings in what states have put off, so that several may read them at once: from then on nothing must fold into them.
func Settle(s States) { settled(s) }

// NewFolding returns n states that have taken in nothing.
func (m *Measure) NewFolding(n int) Folding { return m.plan().make(m, n).(Folding) }

// FoldsInto reports whether states of m, which may be of another layout, fold into those of o.
func (m *Measure) FoldsInto(o *Measure) bool {
	same := m.Function == o.Function && m.Precision == o.Precision && m.N == o.N && m.Compression == o.Compression &&
		m.of.like(o.of) && len(m.by) == len(o.by)
	for i := 0; same && i < len(m.by); i++ {
		same = m.by[i].like(o.by[i])
	}
	return same
}

// like reports whether values of both columns compare and add up as those of one.
func (c column) like(o column) bool {
	return c.kind == o.kind && c.typ.Kind == o.typ.Kind && c.typ.Scale == o.typ.Scale
}

// at returns the row of src that group i takes in.
func at(rows []uint32, from, i int) int {
	if rows == nil {
		return from + i
	}
	return int(rows[i])
}

// extended returns s with zeros behind it up to n: memory doubles, as states that grow do so again and again.
func extended[T any](s []T, n int) []T {
	if n > cap(s) {
		s = append(make([]T, 0, max(n, 2*cap(s))), s...)
	}
	had := len(s)
	s = s[:max(n, had)]
	clear(s[had:])
	return s
}

// runOf is FoldRun by FoldRows, of states that gain nothing from a run.
func runOf(s Folding, group uint32, from, to int, src States) error {
	groups := make([]uint32, to-from)
	for i := range groups {
		groups[i] = group
	}
	return s.FoldRows(groups, nil, from, src)
}

// FoldRows implements Folding.
func (s *counts) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	switch {
	case rows == nil:
		return s.Fold(groups, src, from)
	case in.of == nil:
		for i, g := range groups {
			if !in.zero.has(int(rows[i])) {
				s.of[g]++
			}
		}
	default:
		rows = rows[:len(groups)]
		for i, g := range groups {
			s.of[g] += in.of[rows[i]]
		}
	}
	return nil
}

// FoldRun implements Folding.
func (s *counts) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*counts)
	switch {
	case !ok:
		panic(wrong(s, src))
	case in.of == nil:
		return runOf(s, group, from, to, src)
	}
	sum := int64(0)
	for _, v := range in.of[from:to] {
		sum += v
	}
	s.of[group] += sum
	return nil
}

// Grow implements Folding.
func (s *counts) Grow(n int) {
	s.of = extended(s.of, n)
	s.n = n
}

// FoldRows implements Folding.
func (s *wideSums) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	s.nulls.foldRows(groups, rows, from, in.nulls)
	if in.wide == nil && s.wide == nil {
		done := 0
		if rows == nil {
			done = s.foldNarrow(groups, in.narrow[from:from+len(groups)])
		} else {
			done = s.foldNarrowRows(groups, rows, in.narrow)
		}
		if done == len(groups) {
			return nil
		}
		from += done
		if groups = groups[done:]; rows != nil {
			rows = rows[done:]
		}
	}
	s.widen()
	fits := true
	for i, g := range groups {
		var v int128
		if r := at(rows, from, i); in.wide != nil {
			v = in.wide[r]
		} else {
			v = wide(in.narrow[r])
		}
		sum, ok := add38(s.wide[g], v)
		s.wide[g], fits = sum, fits && ok
	}
	if !fits {
		return &OverflowError{s.measure}
	}
	return nil
}

// foldNarrowRows is foldNarrow of chosen rows.
func (s *wideSums) foldNarrowRows(groups, rows []uint32, vs []int64) int {
	rows, narrow := rows[:len(groups)], s.narrow
	for i, g := range groups {
		old, v := narrow[g], vs[rows[i]]
		sum := old + v
		if (old^sum)&(v^sum) < 0 {
			return i
		}
		narrow[g] = sum
	}
	return len(groups)
}

// FoldRun implements Folding. It adds up the upper and the lower halves of numbers apart, which 2^31 of them cannot bring out of
// 64 bits.
func (s *wideSums) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*wideSums)
	switch {
	case !ok:
		panic(wrong(s, src))
	case in.wide != nil || in.nulls.any(from, to):
		return runOf(s, group, from, to, src)
	case from == to:
		return nil
	}
	high, low := int64(0), int64(0)
	for _, v := range in.narrow[from:to] {
		high += v >> 32
		low += v & math.MaxUint32
	}
	s.nulls.clear(int(group))
	sum, _ := add38(int128{high >> 32, uint64(high) << 32}, wide(low)) // of 31 + 64 bits
	return s.add(group, sum)
}

// add adds v to state g.
func (s *wideSums) add(g uint32, v int128) error {
	if s.wide == nil {
		if sum, _ := add38(wide(s.narrow[g]), v); sum == wide(int64(sum.lo)) {
			s.narrow[g] = int64(sum.lo)
			return nil
		}
	}
	s.widen()
	sum, ok := add38(s.wide[g], v)
	if !ok {
		return &OverflowError{s.measure}
	}
	s.wide[g] = sum
	return nil
}

// Grow implements Folding.
func (s *wideSums) Grow(n int) {
	old := s.Len()
	if s.wide == nil {
		s.narrow = extended(s.narrow, n)
	} else {
		s.wide = extended(s.wide, n)
	}
	s.nulls.fill(old, n)
}

// FoldRows implements Folding.
func (s *floatSums) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	if rows == nil {
		return s.Fold(groups, src, from)
	}
	s.nulls.foldRows(groups, rows, from, in.nulls)
	rows = rows[:len(groups)]
	if len(in.nulls) == 0 {
		for i, g := range groups {
			s.of[g] += in.of[rows[i]]
		}
		return nil
	}
	for i, g := range groups {
		if !in.nulls.has(int(rows[i])) {
			s.of[g] += in.of[rows[i]]
		}
	}
	return nil
}

// FoldRun implements Folding.
func (s *floatSums) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*floatSums)
	switch {
	case !ok:
		panic(wrong(s, src))
	case in.nulls.any(from, to):
		return runOf(s, group, from, to, src)
	case from == to:
		return nil
	}
	sum := s.of[group]
	for _, v := range in.of[from:to] {
		sum += v
	}
	s.of[group] = sum
	s.nulls.clear(int(group))
	return nil
}

// Grow implements Folding.
func (s *floatSums) Grow(n int) {
	s.nulls.fill(len(s.of), n)
	s.of = extended(s.of, n)
}

// FoldRows implements Folding.
func (s *averages) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	if err := s.sums.(Folding).FoldRows(groups, rows, from, in.sums); err != nil {
		return err
	}
	return s.counts.(Folding).FoldRows(groups, rows, from, in.counts)
}

// FoldRun implements Folding.
func (s *averages) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*averages)
	if !ok {
		panic(wrong(s, src))
	}
	if err := s.sums.(Folding).FoldRun(group, from, to, in.sums); err != nil {
		return err
	}
	return s.counts.(Folding).FoldRun(group, from, to, in.counts)
}

// Grow implements Folding.
func (s *averages) Grow(n int) {
	s.sums.(Folding).Grow(n)
	s.counts.(Folding).Grow(n)
}

// FoldRows implements Folding.
func (s *leastWords) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	if rows == nil {
		return s.Fold(groups, src, from)
	}
	s.nulls.foldRows(groups, rows, from, in.nulls)
	rows = rows[:len(groups)]
	for i, g := range groups {
		if v := in.of[rows[i]]; v < s.of[g] {
			s.of[g] = v
		}
	}
	return nil
}

// FoldRun implements Folding.
func (s *leastWords) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*leastWords)
	switch {
	case !ok:
		panic(wrong(s, src))
	case in.nulls.any(from, to):
		return runOf(s, group, from, to, src)
	case from == to:
		return nil
	}
	least := s.of[group]
	for _, v := range in.of[from:to] {
		least = min(least, v)
	}
	s.of[group] = least
	s.nulls.clear(int(group))
	return nil
}

// Grow implements Folding.
func (s *leastWords) Grow(n int) {
	old := len(s.of)
	s.nulls.fill(old, n)
	s.of = extended(s.of, n)
	for i := range s.of[old:] {
		s.of[old+i] = math.MaxUint64
	}
}

// foldRows is fold of chosen rows.
func (b bitset) foldRows(groups, rows []uint32, from int, src bitset) {
	switch {
	case len(b) == 0:
	case rows == nil || len(src) == 0:
		b.fold(groups, src, from)
	default:
		for i, g := range groups {
			if !src.has(int(rows[i])) {
				b[g>>6] &^= 1 << (g & 63)
			}
		}
	}
}

// fill sets bits [from, to).
func (b *bitset) fill(from, to int) {
	*b = extended(*b, (to+63)/64)
	for i := from; i < to; {
		if i&63 == 0 && to-i >= 64 {
			(*b)[i>>6] = ^uint64(0)
			i += 64
			continue
		}
		(*b)[i>>6] |= 1 << (i & 63)
		i++
	}
}
