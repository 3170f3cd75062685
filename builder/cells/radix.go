package cells

import "math/bits"

// Sorting is by the highest digit first: buckets soon fit the nearest cache, and keys that are nearly all distinct are told
// apart by little more than as many bits as their number has. A key and its place share one word; the digit of the first
// pass need not be in it, as the bucket says it.
const (
	topDigit    = 11 // bits of the first pass
	digit       = 8  // of the passes after it
	fewInBucket = 20 // are sorted by insertion
)

// groupRadix sorts the keys and gives equal neighbours one place.
func groupRadix(keys []uint64, width int) (groups []uint32, distinct []uint64) {
	n := len(keys)
	indexBits := bits.Len(uint(max(n-1, 0)))
	top := min(topDigit, width)
	if width-top+indexBits > 64 {
		return groupWide(keys, width)
	}
	rest := width - top // bits of a key that its word holds
	ends := make([]uint32, 1<<top+1)
	for _, k := range keys {
		ends[k>>(rest&63)+1]++
	}
	for i := range 1 << top {
		ends[i+1] += ends[i]
	}
	a, b := make([]uint64, n), make([]uint64, n)
	low := uint64(1)<<rest - 1
	for i, k := range keys {
		at := &ends[k>>(rest&63)]
		a[*at] = k&low<<(indexBits&63) | uint64(i)
		*at++
	}
	groups, distinct = make([]uint32, n), make([]uint64, 0, n)
	from := uint32(0)
	for bucket, to := range ends[:1<<top] {
		if to == from {
			continue
		}
		part := a[from:to]
		sortDigits(part, b[from:to], rest+indexBits, indexBits)
		high, last := uint64(bucket)<<(rest&63), part[0]>>(indexBits&63)
		distinct = append(distinct, high|last)
		for _, v := range part {
			if k := v >> (indexBits & 63); k != last {
				distinct = append(distinct, high|k)
				last = k
			}
			groups[v&(1<<indexBits-1)] = uint32(len(distinct) - 1)
		}
		from = to
	}
	return groups, distinct
}

// sortDigits sorts words by their bits from low up to high; those above are equal. tmp is as long as a.
func sortDigits(a, tmp []uint64, high, low int) {
	if len(a) <= fewInBucket {
		insertionSort(a)
		return
	}
	differ := uint64(0)
	for _, v := range a {
		differ |= v ^ a[0]
	}
	if high = min(high, bits.Len64(differ)); high <= low {
		return
	}
	shift := uint(max(high-digit, low)) & 63
	var ends [1 << digit]uint32
	for _, v := range a {
		ends[uint8(v>>shift)]++
	}
	at := uint32(0)
	for i, c := range ends {
		ends[i] = at
		at += c
	}
	for _, v := range a {
		e := &ends[uint8(v>>shift)]
		tmp[*e] = v
		*e++
	}
	copy(a, tmp)
	if int(shift) <= low {
		return
	}
	from := uint32(0)
	for _, to := range ends {
		if to-from > 1 {
			sortDigits(a[from:to], tmp[from:to], int(shift), low)
		}
		from = to
	}
}

func insertionSort(a []uint64) {
	for i := 1; i < len(a); i++ {
		v, at := a[i], i
		for ; at > 0 && a[at-1] > v; at-- {
			a[at] = a[at-1]
		}
		a[at] = v
	}
}

// pair is a key too wide to share a word with its place.
type pair struct {
	key   uint64
	index uint32
}

// groupWide sorts pairs by the lowest digit first.
func groupWide(keys []uint64, width int) (groups []uint32, distinct []uint64) {
	n := len(keys)
	a, b := make([]pair, n), make([]pair, n)
	for i, k := range keys {
		a[i] = pair{k, uint32(i)}
	}
	for shift := 0; shift < width; shift += topDigit {
		var starts [1 << topDigit]uint32
		for i := range a {
			starts[a[i].key>>shift&(1<<topDigit-1)]++
		}
		if !countsToStarts(&starts, n) {
			continue
		}
		for i := range a {
			at := &starts[a[i].key>>shift&(1<<topDigit-1)]
			b[*at] = a[i]
			*at++
		}
		a, b = b, a
	}
	groups = make([]uint32, n)
	for i := range a {
		if i == 0 || a[i].key != a[i-1].key {
			distinct = append(distinct, a[i].key)
		}
		groups[a[i].index] = uint32(len(distinct) - 1)
	}
	return groups, distinct
}

// countsToStarts turns the counts of digits into the first place of each; false: all keys have the same digit.
func countsToStarts(counts *[1 << topDigit]uint32, n int) bool {
	at := uint32(0)
	for i, c := range counts {
		if int(c) == n {
			return false
		}
		counts[i] = at
		at += c
	}
	return true
}
