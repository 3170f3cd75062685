package cells

import (
	"bytes"

	"github.com/zeebo/xxh3"
)

// interner gives byte strings codes in order of appearance: open addressing, at most half full.
type interner struct {
	slots  []slot // of hashes
	values values
}

func newInterner() *interner { return &interner{slots: make([]slot, 64)} }

func (n *interner) len() int { return len(n.values.spans) }

func (n *interner) memBytes() int64 { return int64(16*cap(n.slots)) + n.values.memBytes() }

// code returns the code of v, a new one if needed; v is copied then.
func (n *interner) code(v []byte) uint32 {
	if 2*n.len() >= len(n.slots) {
		n.grow()
	}
	h, mask := xxh3.Hash(v), uint64(len(n.slots)-1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := &n.slots[at]
		if s.id == 0 {
			n.values.append(v)
			*s = slot{h, uint32(n.len())}
			return s.id - 1
		}
		if s.key == h && bytes.Equal(n.values.get(int(s.id-1)), v) {
			return s.id - 1
		}
	}
}

func (n *interner) grow() {
	old := n.slots
	n.slots = make([]slot, 4*len(old))
	mask := uint64(len(n.slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		at := s.key & mask
		for n.slots[at].id != 0 {
			at = (at + 1) & mask
		}
		n.slots[at] = s
	}
}
