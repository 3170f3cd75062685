package cells

import (
	"math/bits"
)

// Keys are row keys: the codes of a row's dimensions side by side in words, the first dimension highest. No code lies in
// two words. Keys made with the same dictionaries compare as their rows do.
type Keys struct {
	fields []field // per dimension of the layout
	words  int     // a key, at least 1
	data   []uint64
}

// field is where a dimension's code lies. Its mask is 0 where the dimension is absent, or has no value but null.
type field struct {
	word  int
	shift uint
	mask  uint64
}

// layKeys returns n keys of zeros with room for the codes of dicts; a dimension whose dict is nil is absent.
func layKeys(dicts []*Dict, n int) Keys {
	k := Keys{fields: make([]field, len(dicts)), words: 1}
	room := uint(64)
	// From the last dimension up, words counted from the end and turned round below.
	for i := len(dicts) - 1; i >= 0; i-- {
		if dicts[i] == nil {
			continue
		}
		width := uint(bits.Len(uint(dicts[i].Len() - 1)))
		if width > room {
			k.words++
			room = 64
		}
		k.fields[i] = field{word: k.words - 1, shift: 64 - room, mask: 1<<width - 1}
		room -= width
	}
	for i := range k.fields {
		k.fields[i].word = k.words - 1 - k.fields[i].word
	}
	k.data = make([]uint64, n*k.words)
	return k
}

// Len returns the number of keys.
func (k *Keys) Len() int {
	if k.words == 0 {
		return 0
	}
	return len(k.data) / k.words
}

// Code returns the code of dimension dim in key i; 0 where the dimension is absent.
func (k *Keys) Code(i, dim int) uint32 {
	f := k.fields[dim]
	return uint32(k.data[i*k.words+f.word] >> f.shift & f.mask)
}

// AppendCodes appends the codes of dimension dim in keys [from, to).
func (k *Keys) AppendCodes(codes []uint32, dim, from, to int) []uint32 {
	f := k.fields[dim]
	for i := from*k.words + f.word; i < to*k.words; i += k.words {
		codes = append(codes, uint32(k.data[i]>>f.shift&f.mask))
	}
	return codes
}

// width returns how many bits of word w are in use, from the lowest up.
func (k *Keys) width(w int) (n int) {
	for _, f := range k.fields {
		if f.word == w && f.mask != 0 {
			n = max(n, int(f.shift)+bits.Len64(f.mask))
		}
	}
	return n
}

// put writes codes of dimension dim to the keys from at on, where they are zero; remap turns them first unless it is nil.
func (k *Keys) put(dim, at int, codes, remap []uint32) {
	f := k.fields[dim]
	if f.mask == 0 {
		return
	}
	out := k.data[at*k.words+f.word:]
	switch {
	case remap == nil && k.words == 1:
		for i, c := range codes {
			out[i] |= uint64(c) << f.shift
		}
	case remap == nil:
		for i, c := range codes {
			out[i*k.words] |= uint64(c) << f.shift
		}
	case k.words == 1:
		for i, c := range codes {
			out[i] |= uint64(remap[c]) << f.shift
		}
	default:
		for i, c := range codes {
			out[i*k.words] |= uint64(remap[c]) << f.shift
		}
	}
}

// move is a run of bits that goes from one key to another as it is, or, with remap, as another code.
type move struct {
	fromWord, toWord int
	fromShift        uint
	toShift          uint
	mask             uint64
	remap            []uint32
}

// moves lists what makes keys like k out of keys like src; neighbours that stay neighbours move as one.
func (k *Keys) moves(src *Keys, remap [][]uint32) (out []move) {
	for i := len(k.fields) - 1; i >= 0; i-- {
		to, from := k.fields[i], src.fields[i]
		if to.mask == 0 || from.mask == 0 {
			continue // absent, or all null
		}
		m := move{from.word, to.word, from.shift, to.shift, from.mask, remap[i]}
		if n := len(out); n > 0 && m.remap == nil && out[n-1].extend(m) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// extend takes in the bits right above, if they lie right above in both keys.
func (m *move) extend(next move) bool {
	width := uint(bits.Len64(m.mask))
	if m.remap != nil || m.fromWord != next.fromWord || m.toWord != next.toWord ||
		next.fromShift != m.fromShift+width || next.toShift != m.toShift+width {
		return false
	}
	m.mask |= next.mask << width
	return true
}

// moveTile is how many keys are moved field by field, so that they stay in the nearest cache.
const moveTile = 1024

// copyFrom writes keys [from, to) of src to the keys from at on, which are zero, with the codes of remap.
func (k *Keys) copyFrom(at int, src *Keys, from, to int, remap [][]uint32) {
	moves := k.moves(src, remap)
	for ; from < to; from, at = from+moveTile, at+moveTile {
		n := min(moveTile, to-from)
		for _, m := range moves {
			in, out := src.data[from*src.words:(from+n)*src.words], k.data[at*k.words:(at+n)*k.words]
			if k.words == 1 && src.words == 1 {
				m.narrow(out, in)
				continue
			}
			for i := range n {
				v := in[i*src.words+m.fromWord] >> m.fromShift & m.mask
				if m.remap != nil {
					v = uint64(m.remap[v])
				}
				out[i*k.words+m.toWord] |= v << m.toShift
			}
		}
	}
}

// narrow moves between keys of one word.
func (m *move) narrow(out, in []uint64) {
	out = out[:len(in)]
	if m.remap == nil {
		for i, v := range in {
			out[i] |= v >> (m.fromShift & 63) & m.mask << (m.toShift & 63)
		}
		return
	}
	for i, v := range in {
		out[i] |= uint64(m.remap[v>>(m.fromShift&63)&m.mask]) << (m.toShift & 63)
	}
}
