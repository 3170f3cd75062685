package cells

import "math/bits"

const (
	radixBits = 11
	radixSize = 1 << radixBits
)

// groupRadix sorts the keys, least digits first, and gives equal neighbours one place.
func groupRadix(keys []uint64, width int) (groups []uint32, distinct []uint64) {
	n := len(keys)
	if indexBits := bits.Len(uint(max(n-1, 0))); width+indexBits <= 64 {
		return groupPacked(keys, width, indexBits)
	}
	a, b := make([]pair, n), make([]pair, n)
	for i, k := range keys {
		a[i] = pair{k, uint32(i)}
	}
	for shift := 0; shift < width; shift += radixBits {
		var starts [radixSize]uint32
		for i := range a {
			starts[a[i].key>>shift&(radixSize-1)]++
		}
		if !countsToStarts(&starts, n) {
			continue
		}
		for i := range a {
			at := &starts[a[i].key>>shift&(radixSize-1)]
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

type pair struct {
	key   uint64
	index uint32
}

// countsToStarts turns the counts of digits into the first place of each; false: all keys have the same digit.
func countsToStarts(counts *[radixSize]uint32, n int) bool {
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

// groupPacked sorts keys that leave room for their index in one word.
func groupPacked(keys []uint64, width, indexBits int) (groups []uint32, distinct []uint64) {
	n := len(keys)
	a, b := make([]uint64, n), make([]uint64, n)
	for i, k := range keys {
		a[i] = k<<indexBits | uint64(i)
	}
	for shift := indexBits; shift < indexBits+width; shift += radixBits {
		var starts [radixSize]uint32
		for _, v := range a {
			starts[v>>(shift&63)&(radixSize-1)]++
		}
		if !countsToStarts(&starts, n) {
			continue
		}
		for _, v := range a {
			at := &starts[v>>(shift&63)&(radixSize-1)]
			b[*at] = v
			*at++
		}
		a, b = b, a
	}
	groups = make([]uint32, n)
	distinct = b[:0]
	last := uint64(0)
	for i, v := range a {
		k := v >> indexBits
		if k != last || i == 0 {
			distinct = append(distinct, k)
			last = k
		}
		groups[v&(1<<indexBits-1)] = uint32(len(distinct) - 1)
	}
	return groups, distinct
}
