package cells

import (
	"encoding/binary"
	"math/bits"
)

// hashSeed is the seed of every sketch of the DataSketches family.
const hashSeed = 9001

const (
	murmur1 = 0x87c37b91114253d5
	murmur2 = 0x4cf5ad432745937f
)

// murmur is MurmurHash3 x64 of 128 bits with hashSeed: what DataSketches, and Spark's hll_sketch_agg, hash with.
func murmur(b []byte) (h1, h2 uint64) {
	h1, h2 = hashSeed, hashSeed
	n := uint64(len(b))
	for ; len(b) >= 16; b = b[16:] {
		h1 ^= mix1(binary.LittleEndian.Uint64(b))
		h1 = (bits.RotateLeft64(h1, 27)+h2)*5 + 0x52dce729
		h2 ^= mix2(binary.LittleEndian.Uint64(b[8:]))
		h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + 0x38495ab5
	}
	if len(b) > 8 {
		h2 ^= mix2(tailWord(b[8:]))
		b = b[:8]
	}
	if len(b) > 0 {
		h1 ^= mix1(tailWord(b))
	}
	return murmurEnd(h1, h2, n)
}

// murmurWord hashes the 8 bytes of a whole number, the lowest first.
func murmurWord(v uint64) (h1, h2 uint64) { return murmurEnd(hashSeed^mix1(v), hashSeed, 8) }

func murmurEnd(h1, h2, n uint64) (uint64, uint64) {
	h1 ^= n
	h2 ^= n
	h1 += h2
	h2 += h1
	h1, h2 = murmurMix(h1), murmurMix(h2)
	h1 += h2
	return h1, h2 + h1
}

func mix1(k uint64) uint64 { return bits.RotateLeft64(k*murmur1, 31) * murmur2 }

func mix2(k uint64) uint64 { return bits.RotateLeft64(k*murmur2, 33) * murmur1 }

// tailWord reads up to 8 bytes, the lowest first.
func tailWord(b []byte) (w uint64) {
	if len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	for i, c := range b {
		w |= uint64(c) << (8 * i)
	}
	return w
}

func murmurMix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
