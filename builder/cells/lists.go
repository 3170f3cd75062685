package cells

import "slices"

// lists are lists of elements, one a state and one after the other (C5). What is folded in waits, where it lies, until it is
// placed: then all that waits is brought in at once.
type lists[T any] struct {
	n       int
	ends    []uint32 // where list i ends in of; it begins where list i-1 ends
	of      []T
	pieces  []piece[T]
	waiting int      // elements of pieces
	spare   piece[T] // memory for copies
}

// piece is lists that wait: list from+i of those that ends and of make is to go to the list groups[i]. Without ends each
// has one element, or none where a bit of none is set.
type piece[T any] struct {
	groups []uint32
	from   int
	ends   []uint32
	of     []T
	none   bitset
	owned  bool // its elements are copies that it may add to
}

// newLists returns n empty lists.
func newLists[T any](n int) lists[T] { return lists[T]{n: n, ends: make([]uint32, n)} }

// get returns list i, without what waits.
func (l *lists[T]) get(i int) []T {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.of[from:l.ends[i]:l.ends[i]]
}

// between returns the elements of lists [from, to), without what waits.
func (l *lists[T]) between(from, to int) []T {
	n := l.elements(0, from)
	return l.of[n : n+l.elements(from, to)]
}

// elements counts those of lists [from, to), without what waits.
func (l *lists[T]) elements(from, to int) int {
	if from == to || len(l.ends) == 0 {
		return 0
	}
	n := l.ends[to-1]
	if from > 0 {
		n -= l.ends[from-1]
	}
	return int(n)
}

// memBytes takes the bytes of an element.
func (l *lists[T]) memBytes(size int) int64 {
	n := 4*cap(l.ends) + size*cap(l.of) + cap(l.spare.groups)*4 + size*cap(l.spare.of)
	for i := range l.pieces {
		if p := &l.pieces[i]; p.owned {
			n += 4*cap(p.groups) + size*cap(p.of)
		}
	}
	return int64(n)
}

// wait has a piece wait. It must not change any more.
func (l *lists[T]) wait(p piece[T]) {
	if len(p.groups) == 0 {
		return
	}
	l.pieces = append(l.pieces, p)
	if p.ends == nil {
		l.waiting += len(p.groups)
		return
	}
	l.waiting += int(p.ends[p.from+len(p.groups)-1])
	if p.from > 0 {
		l.waiting -= int(p.ends[p.from-1])
	}
}

// minWaiting is from how many waiting elements on it pays to place them before the end.
const minWaiting = 1 << 18

// crowded reports whether as much waits as there is: to place it then costs an element a few times its share.
func (l *lists[T]) crowded() bool { return l.waiting > max(minWaiting, len(l.of)) }

// place returns the elements of all lists with those that waited, list i in all[starts[i]:starts[i+1]]: first what was
// there, then what waited, in order. What order does with all and ends is the caller's.
func (l *lists[T]) place() (all []T, starts []uint32) {
	starts = make([]uint32, l.n+1)
	counts := starts[1:]
	for i := range l.pieces {
		l.pieces[i].count(counts)
	}
	had := uint32(0)
	for i, end := range l.ends {
		starts[i+1] += starts[i] + end - had
		had = end
	}
	all = make([]T, starts[l.n])
	at := slices.Clone(starts[:l.n])
	if len(l.of) > 0 {
		for i := range l.n {
			at[i] += uint32(copy(all[at[i]:], l.get(i)))
		}
	}
	for i := range l.pieces {
		l.pieces[i].put(all, at)
	}
	l.reuse()
	l.pieces, l.waiting = nil, 0
	return all, starts
}

func (p *piece[T]) count(counts []uint32) {
	switch {
	case p.ends != nil:
		start := uint32(0)
		if p.from > 0 {
			start = p.ends[p.from-1]
		}
		for i, end := range p.ends[p.from : p.from+len(p.groups)] {
			counts[p.groups[i]] += end - start
			start = end
		}
	case p.none.any(p.from, p.from+len(p.groups)):
		for i, g := range p.groups {
			if !p.none.has(p.from + i) {
				counts[g]++
			}
		}
	default:
		for _, g := range p.groups {
			counts[g]++
		}
	}
}

// put writes the elements to their places, and moves these on.
func (p *piece[T]) put(all []T, at []uint32) {
	if p.ends == nil {
		none := p.none.any(p.from, p.from+len(p.groups))
		for i, v := range p.of[p.from : p.from+len(p.groups)] {
			if none && p.none.has(p.from+i) {
				continue
			}
			to := &at[p.groups[i]]
			all[*to] = v
			*to++
		}
		return
	}
	start := uint32(0)
	if p.from > 0 {
		start = p.ends[p.from-1]
	}
	for i, end := range p.ends[p.from : p.from+len(p.groups)] {
		to := &at[p.groups[i]]
		if end == start+1 {
			all[*to] = p.of[start]
			*to++
		} else {
			*to += uint32(copy(all[*to:], p.of[start:end]))
		}
		start = end
	}
}
