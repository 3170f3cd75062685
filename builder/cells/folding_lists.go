package cells

import "encoding/binary"

// FoldRows implements Folding.
func (s *leastBytes) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	for i, g := range groups {
		r := at(rows, from, i)
		if in.nulls.has(r) {
			continue
		}
		v := in.of.get(r)
		if !s.nulls.has(int(g)) {
			c := compareBytes(s.kind, v, s.of.get(int(g)))
			if c == 0 || (c > 0) != s.max {
				continue
			}
		}
		s.of.set(int(g), v)
		s.nulls.clear(int(g))
	}
	return nil
}

// FoldRun implements Folding.
func (s *leastBytes) FoldRun(group uint32, from, to int, src States) error {
	return runOf(s, group, from, to, src)
}

// Grow implements Folding.
func (s *leastBytes) Grow(n int) {
	s.nulls.fill(s.Len(), n)
	s.of.spans = extended(s.of.spans, n)
}

// FoldRows implements Folding.
func (s *firsts) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	for i, g := range groups {
		r := at(rows, from, i)
		if in.nulls.has(r) {
			continue
		}
		p := in.places[r]
		if !s.nulls.has(int(g)) && (p == s.places[g] || p.before(s.places[g]) == s.last) {
			continue
		}
		s.places[g] = p
		s.nulls.clear(int(g))
		if inWords(s.kind) {
			s.words[g] = in.words[r]
		} else {
			s.bytes.set(int(g), in.bytes.get(r))
		}
	}
	return nil
}

// FoldRun implements Folding.
func (s *firsts) FoldRun(group uint32, from, to int, src States) error {
	return runOf(s, group, from, to, src)
}

// Grow implements Folding.
func (s *firsts) Grow(n int) {
	old := len(s.places)
	s.nulls.fill(old, n)
	s.places = extended(s.places, n)
	if inWords(s.kind) {
		s.words = extended(s.words, n)
	} else {
		s.bytes.spans = extended(s.bytes.spans, n)
	}
}

// FoldRows implements Folding. Once a state has registers, coupons go there at once.
func (s *sketches) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	in.settle()
	s.settled = false
	if in.dense != nil && s.registers == nil { // as many are likely to come: they need not grow one by one
		s.registers = make([]byte, 0, min(len(in.registers), min(len(groups), s.sets.n)<<s.precision))
	}
	for i, g := range groups {
		r := at(rows, from, i)
		if in.isDense(r) {
			s.takeRegisters(int(g), in.registersOf(r))
		} else if coupons := in.coupons(r); s.isDense(int(g)) {
			raise(s.registersOf(int(g)), coupons)
		} else {
			s.sets.add(g, coupons)
		}
	}
	if s.sets.full(max(minSketches, 4*maxCoupons(s.precision))) {
		s.settle()
	}
	return nil
}

// FoldRun implements Folding.
func (s *sketches) FoldRun(group uint32, from, to int, src States) error {
	in, ok := src.(*sketches)
	if !ok {
		panic(wrong(s, src))
	}
	in.settle()
	if in.single == nil && in.dense == nil && s.isDense(int(group)) {
		raise(s.registersOf(int(group)), in.sets.between(from, to))
		return nil
	}
	return runOf(s, group, from, to, src)
}

// minSketches is from how many coupons that wait on it pays to place them: the sooner a state has registers, the more of what
// comes goes there at once.
const minSketches = 1 << 12

// coupons returns those of state i, which has no registers.
func (s *sketches) coupons(i int) []uint32 {
	switch {
	case s.single == nil:
		return s.sets.get(i)
	case s.none.has(i):
		return nil
	}
	return s.single[i : i+1]
}

// Grow implements Folding.
func (s *sketches) Grow(n int) {
	s.sets.grow(n)
	if s.dense != nil {
		s.dense = extended(s.dense, n)
	}
}

// raiseAll raises registers, which are below 128 and a multiple of 16, to those of src: eight at a time.
func raiseAll(registers, src []byte) {
	src = src[:len(registers)]
	for i := 0; i+16 <= len(registers); i += 16 {
		to, from := registers[i:i+16:i+16], src[i:i+16:i+16]
		binary.LittleEndian.PutUint64(to, higher(binary.LittleEndian.Uint64(to), binary.LittleEndian.Uint64(from)))
		binary.LittleEndian.PutUint64(to[8:], higher(binary.LittleEndian.Uint64(to[8:]), binary.LittleEndian.Uint64(from[8:])))
	}
}

// higher returns of each byte the higher one.
func higher(a, b uint64) uint64 {
	const high = 0x8080808080808080
	keep := ((a | high) - b) & high >> 7 * 0xff // all bits of the bytes that are not below those of b
	return b ^ (a^b)&keep
}

// FoldRows implements Folding.
func (s *idSets[T]) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	in.settle()
	for i, g := range groups {
		switch r := at(rows, from, i); {
		case in.single == nil:
			s.sets.add(g, in.sets.get(r))
		case !in.none.has(r):
			s.sets.add(g, in.single[r:r+1])
		}
	}
	if s.sets.full(minCopied) {
		s.settle()
	}
	return nil
}

// FoldRun implements Folding.
func (s *idSets[T]) FoldRun(group uint32, from, to int, src States) error {
	return runOf(s, group, from, to, src)
}

// Grow implements Folding.
func (s *idSets[T]) Grow(n int) { s.sets.grow(n) }

// FoldRows implements Folding.
func (s *digests) FoldRows(groups, rows []uint32, from int, src States) error {
	in := sameKind(s, src)
	in.settle()
	for i, g := range groups {
		switch r := at(rows, from, i); {
		case in.single == nil:
			s.add(g, in.get(r))
		case !in.none.has(r):
			s.add(g, in.single[r:r+1])
		}
	}
	if s.full(minCopied) {
		s.settle()
	}
	return nil
}

// FoldRun implements Folding.
func (s *digests) FoldRun(group uint32, from, to int, src States) error {
	return runOf(s, group, from, to, src)
}

// Grow implements Folding.
func (s *digests) Grow(n int) { s.grow(n) }

// FoldRun implements Folding.
func (s *tops[W]) FoldRun(group uint32, from, to int, src States) error {
	return runOf(s, group, from, to, src)
}

// Grow implements Folding.
func (s *tops[W]) Grow(n int) {
	s.ends = extended(s.ends, n)
	for i := s.n; i < n; i++ {
		s.ends[i] = uint32(len(s.of))
	}
	s.floors, s.more, s.bounds = extended(s.floors, n), extended(s.more, n), extended(s.bounds, n)
	s.n = n
}

// add has copies of elements wait for list g.
func (l *lists[T]) add(g uint32, of []T) {
	n := len(l.pieces)
	if n == 0 || !l.pieces[n-1].owned {
		l.pieces, l.spare = append(l.pieces, l.spare), piece[T]{}
		l.pieces[n].owned = true
		n++
	}
	p := &l.pieces[n-1]
	for range of {
		p.groups = append(p.groups, g)
	}
	p.of = append(p.of, of...)
	l.waiting += len(of)
}

// minCopied is from how many copies that wait on it pays to place them: they then still lie in a near cache.
const minCopied = 1 << 14

// full reports whether it pays to place what waits as copies, which are at least a given number.
func (l *lists[T]) full(least int) bool { return l.waiting > max(least, len(l.of), l.n) }

// reuse keeps the memory of copies that are placed.
func (l *lists[T]) reuse() {
	for i := range l.pieces {
		if p := &l.pieces[i]; p.owned {
			l.spare = piece[T]{groups: p.groups[:0], of: p.of[:0]}
		}
	}
}

// grow adds empty lists until there are n.
func (l *lists[T]) grow(n int) {
	l.ends = extended(l.ends, n)
	for i := l.n; i < n; i++ {
		l.ends[i] = uint32(len(l.of))
	}
	l.n = n
}
