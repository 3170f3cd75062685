package cells

import "github.com/zeebo/xxh3"

// Items are states that collect values: sets of ids, and what values of a top_n add up to. They were settled, as those of Cells are.
type Items interface {
	// AppendItems appends the items of state i, leaving out the first from of them and whatever is more than most. ok is false
	// where it may lack values that it took in, or where what they add up to depends on the order.
	AppendItems(to []Item, i, from, most int) (_ []Item, ok bool)
}

// Item is a value that a state has.
type Item struct {
	Hash   uint64 // of the value
	Amount uint64 // what it adds up to, modulo 2^64; of an id 0
}

// AppendItems never fails: a set lacks nothing.
func (s *idSets[T]) AppendItems(to []Item, i, from, most int) ([]Item, bool) {
	for _, id := range some(s.sets.get(i), from, most) {
		h, _ := murmurWord(uint64(id))
		to = append(to, Item{Hash: h})
	}
	return to, true
}

// AppendItems fails of states that are full, and of float64.
func (s *tops[W]) AppendItems(to []Item, i, from, most int) ([]Item, bool) {
	if !s.whole(i) {
		return to, false
	}
	for _, e := range some(s.get(i), from, most) {
		sum, ok := any(e.sum).(int128)
		if !ok {
			return to, false
		}
		to = append(to, Item{xxh3.Hash(s.tuples.values.get(int(e.tuple))), sum.lo})
	}
	return to, true
}

func some[E any](list []E, from, most int) []E { return list[from:min(len(list), from+most)] }
