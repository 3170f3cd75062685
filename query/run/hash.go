package run

import "math/bits"

// table gives keys places in order of appearance: open addressing, at most half full.
type table struct {
	slots []slot
	keys  []uint64 // by place
}

// slot is a key and its place plus one; 0: empty. Key and place lie together, so that a look-up costs one miss of the cache.
type slot struct {
	key uint64
	id  uint32
}

func newTable() table { return table{slots: make([]slot, 1024)} }

func hashWord(k uint64) uint64 {
	h, l := bits.Mul64(k^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return h ^ l
}

// places sets out[i] to the place of keys[i]. Equal neighbours, which cells in the order of their row keys have, cost nothing.
func (t *table) places(out []uint32, keys []uint64) {
	out = out[:len(keys)]
	mask := uint64(len(t.slots) - 1)
	last, lastID := uint64(0), uint32(0)
	for i, k := range keys {
		if k == last && lastID != 0 {
			out[i] = lastID - 1
			continue
		}
		at := hashWord(k) & mask
		for t.slots[at].id != 0 && t.slots[at].key != k {
			at = (at + 1) & mask
		}
		id := t.slots[at].id
		if id == 0 {
			t.keys = append(t.keys, k)
			id = uint32(len(t.keys))
			t.slots[at] = slot{k, id}
			if 2*len(t.keys) > len(t.slots) {
				t.rehash(4 * len(t.slots))
				mask = uint64(len(t.slots) - 1)
			}
		}
		out[i] = id - 1
		last, lastID = k, id
	}
}

func (t *table) rehash(size int) {
	t.slots = make([]slot, size)
	t.keys = append(make([]uint64, 0, size/2+1), t.keys...)
	mask := uint64(size - 1)
	for i, k := range t.keys {
		at := hashWord(k) & mask
		for t.slots[at].id != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = slot{k, uint32(i + 1)}
	}
}

func (t *table) memBytes() int64 { return int64(16*cap(t.slots) + 8*cap(t.keys)) }
