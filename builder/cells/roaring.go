package cells

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Sets of ids are stored in the portable format of Roaring bitmaps, as the library writes it after RunOptimize: each
// container in the smallest of its three forms.
const (
	roaringPlain   = 12346 // cookie without run containers
	roaringRuns    = 12347
	roaringOffsets = 4 // from so many containers on, or without runs, their places are written
	bitmapBytes    = 8192
	maxIDs         = 1 << 28 // that are read from one column: a few bytes of runs may stand for very many
	maxArray       = 4096    // values of a container in the form of an array
)

// appendRoaring32 writes ascending ids.
func appendRoaring32(b []byte, ids []uint32) []byte {
	var parts [][]uint32
	for from := 0; from < len(ids); {
		to := from + 1
		for to < len(ids) && ids[to]>>16 == ids[from]>>16 {
			to++
		}
		parts = append(parts, ids[from:to])
		from = to
	}
	anyRuns := false
	for _, p := range parts {
		anyRuns = anyRuns || asRuns(p)
	}
	start := len(b)
	if anyRuns {
		b = binary.LittleEndian.AppendUint32(b, roaringRuns|uint32(len(parts)-1)<<16)
		flags := make([]byte, (len(parts)+7)/8)
		for i, p := range parts {
			if asRuns(p) {
				flags[i/8] |= 1 << (i % 8)
			}
		}
		b = append(b, flags...)
	} else {
		b = binary.LittleEndian.AppendUint32(b, roaringPlain)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(parts)))
	}
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint16(b, uint16(p[0]>>16))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p)-1))
	}
	if !anyRuns || len(parts) >= roaringOffsets {
		at := len(b) - start + 4*len(parts)
		for _, p := range parts {
			b = binary.LittleEndian.AppendUint32(b, uint32(at))
			at += containerBytes(p)
		}
	}
	for _, p := range parts {
		b = appendContainer(b, p)
	}
	return b
}

// countRuns returns how many runs of neighbours there are.
func countRuns(ids []uint32) (n int) {
	for i := range ids {
		if i == 0 || ids[i] != ids[i-1]+1 {
			n++
		}
	}
	return n
}

func asRuns(ids []uint32) bool { return 2+4*countRuns(ids) < min(2*len(ids), bitmapBytes) }

func containerBytes(ids []uint32) int {
	if asRuns(ids) {
		return 2 + 4*countRuns(ids)
	}
	if len(ids) > maxArray {
		return bitmapBytes
	}
	return 2 * len(ids)
}

func appendContainer(b []byte, ids []uint32) []byte {
	switch {
	case asRuns(ids):
		b = binary.LittleEndian.AppendUint16(b, uint16(countRuns(ids)))
		for from := 0; from < len(ids); {
			to := from + 1
			for to < len(ids) && ids[to] == ids[to-1]+1 {
				to++
			}
			b = binary.LittleEndian.AppendUint16(b, uint16(ids[from]))
			b = binary.LittleEndian.AppendUint16(b, uint16(to-from-1))
			from = to
		}
	case len(ids) > maxArray:
		at := len(b)
		b = append(b, make([]byte, bitmapBytes)...)
		for _, id := range ids {
			b[at+int(id&0xffff)>>3] |= 1 << (id & 7)
		}
	default:
		for _, id := range ids {
			b = binary.LittleEndian.AppendUint16(b, uint16(id))
		}
	}
	return b
}

// appendRoaring64 writes ascending ids of 64 bits: bitmaps by their upper halves.
func appendRoaring64(b []byte, ids []uint64) []byte {
	count := len(b)
	b = binary.LittleEndian.AppendUint64(b, 0)
	var low []uint32
	n := uint64(0)
	for from := 0; from < len(ids); n++ {
		low = low[:0]
		to := from
		for ; to < len(ids) && ids[to]>>32 == ids[from]>>32; to++ {
			low = append(low, uint32(ids[to]))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(ids[from]>>32))
		b = appendRoaring32(b, low)
		from = to
	}
	binary.LittleEndian.PutUint64(b[count:], n)
	return b
}

// roaringReader reads what the append functions write, containers of larger forms too. The first fault stays in err.
type roaringReader struct {
	b   []byte
	at  int // bytes read of the bitmap under way
	err error
}

func (r *roaringReader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = fmt.Errorf("a bitmap that ends %d bytes early", n-len(r.b))
	}
	if r.err != nil {
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b, r.at = r.b[n:], r.at+n
	return out
}

func (r *roaringReader) u16() int { return int(binary.LittleEndian.Uint16(r.take(2))) }

func (r *roaringReader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

func (r *roaringReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// ids32 appends the ids of a bitmap.
func (r *roaringReader) ids32(ids []uint32) []uint32 {
	r.at = 0
	cookie := r.u32()
	n, runs := 0, []byte(nil)
	switch cookie & 0xffff {
	case roaringPlain:
		n = int(r.u32())
	case roaringRuns:
		n = int(cookie>>16) + 1
		runs = r.take((n + 7) / 8)
	default:
		r.fail("cookie %d is no bitmap's", cookie)
	}
	if n > 1<<16 {
		r.fail("%d containers", n)
	}
	if r.err != nil {
		return ids
	}
	heads := r.take(4 * n)
	var offsets []byte
	if runs == nil || n >= roaringOffsets {
		offsets = r.take(4 * n)
	}
	last := -1
	for i := 0; i < n && r.err == nil; i++ {
		key, count := int(binary.LittleEndian.Uint16(heads[4*i:])), int(binary.LittleEndian.Uint16(heads[4*i+2:]))+1
		if key <= last {
			r.fail("container %d after %d", key, last)
		}
		if offsets != nil && int(binary.LittleEndian.Uint32(offsets[4*i:])) != r.at {
			r.fail("container %d begins at byte %d, not where it says", key, r.at)
		}
		last = key
		if len(ids) > maxIDs {
			r.fail("more than %d ids in one column", maxIDs)
			return ids
		}
		before := len(ids)
		ids = r.container(ids, uint32(key)<<16, count, runs != nil && runs[i/8]>>(i%8)&1 == 1)
		if r.err == nil && len(ids)-before != count {
			r.fail("container %d has %d values, want %d", key, len(ids)-before, count)
		}
		for k := before + 1; k < len(ids) && r.err == nil; k++ {
			if ids[k] <= ids[k-1] {
				r.fail("container %d: %d after %d", key, ids[k], ids[k-1])
			}
		}
	}
	return ids
}

func (r *roaringReader) container(ids []uint32, high uint32, count int, runs bool) []uint32 {
	before := len(ids)
	switch {
	case runs:
		for n := r.u16(); n > 0 && r.err == nil; n-- {
			from, more := r.u16(), r.u16()
			if from+more > 0xffff {
				r.fail("a run from %d over %d more", from, more)
				break
			}
			for v := from; v <= from+more; v++ {
				ids = append(ids, high|uint32(v))
			}
			if len(ids)-before > count {
				r.fail("runs of more than %d values", count)
			}
		}
	case count > maxArray:
		words := r.take(bitmapBytes)
		for i := 0; i < bitmapBytes; i += 8 {
			for w := binary.LittleEndian.Uint64(words[i:]); w != 0; w &= w - 1 {
				ids = append(ids, high|uint32(8*i+bits.TrailingZeros64(w)))
			}
		}
	default:
		values := r.take(2 * count)
		for i := range count {
			ids = append(ids, high|uint32(binary.LittleEndian.Uint16(values[2*i:])))
		}
	}
	return ids
}

// ids64 appends the ids of a bitmap of 64 bits.
func (r *roaringReader) ids64(ids []uint64) []uint64 {
	n := binary.LittleEndian.Uint64(r.take(8))
	last := int64(-1)
	var low []uint32
	for ; n > 0 && r.err == nil; n-- {
		high := int64(r.u32())
		if high <= last {
			r.fail("bitmap %d after %d", high, last)
		}
		last = high
		if len(ids) > maxIDs {
			r.fail("more than %d ids in one column", maxIDs)
			return ids
		}
		low = r.ids32(low[:0])
		for _, v := range low {
			ids = append(ids, uint64(high)<<32|uint64(v))
		}
		if len(low) == 0 {
			r.fail("an empty bitmap %d", high)
		}
	}
	return ids
}
