package cells

import (
	"math"
	"math/bits"
	"slices"
)

// Group finds equal keys: distinct are the keys there are, ascending, and groups[i] is the place of key i among them.
// There may be at most 2^32-1 keys. It is linear in their number, and cheapest where they ascend already.
func Group(keys Keys) (groups []uint32, distinct Keys) {
	distinct = Keys{fields: keys.fields, words: keys.words}
	if keys.words == 1 {
		groups, distinct.data = group64(keys.data, keys.width(0))
		return groups, distinct
	}
	groups, count := keys.rank()
	distinct.data = make([]uint64, count*keys.words)
	for i, g := range groups {
		copy(distinct.data[int(g)*keys.words:][:keys.words], keys.data[i*keys.words:])
	}
	return groups, distinct
}

// rank ranks keys of several words: by the first word, then by that rank and the next half word, and so on. Ranks keep
// the order, so the last are those of the keys.
func (k *Keys) rank() (groups []uint32, count int) {
	n := k.Len()
	part := make([]uint64, n)
	for w := range k.words {
		width := k.width(w)
		for i := range part {
			part[i] = k.data[i*k.words+w]
		}
		if w == 0 {
			var distinct []uint64
			groups, distinct = group64(part, width)
			count = len(distinct)
			continue
		}
		rankBits := bits.Len(uint(max(count-1, 0)))
		if rankBits+width <= 64 {
			groups, count = rankWith(part, groups, rankBits, width)
			continue
		}
		low := make([]uint64, n)
		for i, v := range part {
			low[i], part[i] = v&math.MaxUint32, v>>32
		}
		groups, count = rankWith(part, groups, rankBits, width-32)
		groups, count = rankWith(low, groups, bits.Len(uint(max(count-1, 0))), 32)
	}
	return groups, count
}

// rankWith ranks by groups first, then by part, which has width bits; part is overwritten.
func rankWith(part []uint64, groups []uint32, rankBits, width int) ([]uint32, int) {
	for i := range part {
		part[i] |= uint64(groups[i]) << width
	}
	groups, distinct := group64(part, rankBits+width)
	return groups, len(distinct)
}

// group64 groups words of which the lower width bits are in use.
func group64(keys []uint64, width int) (groups []uint32, distinct []uint64) {
	n := len(keys)
	if groups, distinct, ok := groupSorted(keys); ok {
		return groups, distinct
	}
	if width <= bits.Len(uint(n))+directBits {
		return groupDirect(keys, width)
	}
	return groupRadix(keys, width)
}

// groupWords groups words of any size; it overwrites them. Those of one column often share their upper bits.
func groupWords(words []uint64) (groups []uint32, distinct []uint64) {
	if len(words) == 0 {
		return nil, nil
	}
	low, high := slices.Min(words), slices.Max(words)
	for i := range words {
		words[i] -= low
	}
	groups, distinct = group64(words, bits.Len64(high-low))
	for i := range distinct {
		distinct[i] += low
	}
	return groups, distinct
}

// groupSorted groups keys that ascend; of others it says so as soon as it sees it.
func groupSorted(keys []uint64) (groups []uint32, distinct []uint64, ok bool) {
	n := 0
	for i, k := range keys {
		switch {
		case i == 0 || k > keys[i-1]:
			n++
		case k < keys[i-1]:
			return nil, nil, false
		}
	}
	groups, distinct = make([]uint32, len(keys)), make([]uint64, 0, n)
	for i, k := range keys {
		if i == 0 || k > keys[i-1] {
			distinct = append(distinct, k)
		}
		groups[i] = uint32(len(distinct) - 1)
	}
	return groups, distinct, true
}

// directBits is how many times more possible keys than rows (as a power of two) a bit for each is still the fastest.
const directBits = 6

// groupDirect has a bit for every possible key; a key's place is the number of bits set before its own.
func groupDirect(keys []uint64, width int) (groups []uint32, distinct []uint64) {
	words := 1
	if width > 6 {
		words = 1 << (width - 6)
	}
	set, before := make([]uint64, words), make([]uint32, words)
	for _, k := range keys {
		set[k>>6] |= 1 << (k & 63)
	}
	n := 0
	for i, w := range set {
		before[i] = uint32(n)
		n += bits.OnesCount64(w)
	}
	distinct = make([]uint64, 0, n)
	for i, w := range set {
		for ; w != 0; w &= w - 1 {
			distinct = append(distinct, uint64(i)<<6|uint64(bits.TrailingZeros64(w)))
		}
	}
	groups = make([]uint32, len(keys))
	for i, k := range keys {
		groups[i] = before[k>>6] + uint32(bits.OnesCount64(set[k>>6]&(1<<(k&63)-1)))
	}
	return groups, distinct
}

// slot is a key of a hash table with its place in order of appearance, plus one; 0: empty.
type slot struct {
	key uint64
	id  uint32
}

func hashWord(k uint64) uint64 {
	h, l := bits.Mul64(k^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return h ^ l
}

// find returns the place of k among distinct, to which it is added if it is new.
func find(slots []slot, distinct []uint64, k uint64) (uint32, []uint64) {
	mask := uint64(len(slots) - 1)
	for at := hashWord(k) & mask; ; at = (at + 1) & mask {
		s := &slots[at]
		if s.id == 0 {
			distinct = append(distinct, k)
			*s = slot{k, uint32(len(distinct))}
		}
		if s.key == k {
			return s.id - 1, distinct
		}
	}
}

func rehash(distinct []uint64, size int) []slot {
	slots, mask := make([]slot, size), uint64(size-1)
	for i, k := range distinct {
		at := hashWord(k) & mask
		for slots[at].id != 0 {
			at = (at + 1) & mask
		}
		slots[at] = slot{k, uint32(i + 1)}
	}
	return slots
}
