package cells

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// The bytes of a sketch are those of a DataSketches HLL_8: a list of coupons, a set of them, or registers.
const (
	hllVersion = 1
	hllFamily  = 7

	hllList = 8 // the mode byte: HLL_8 in the third and fourth bit, the form in the first two
	hllSet  = 9
	hllFull = 10

	hllEmpty      = 4 // flags
	hllCompact    = 8
	hllOutOfOrder = 16
	hllRebuild    = 32

	hllListStart  = 8
	hllSetStart   = 12
	hllArrayStart = 40
)

// Columns writes compact sketches: coupons ascend, and registers are marked as out of order, so that every reader
// estimates with the composite estimator.
func (s *sketches) Columns(from, to int) []stage.Column {
	s.settle()
	c := stage.Column{Kind: stage.Bytes, Data: make([]byte, 0, s.columnBytes(from, to)), Ends: make([]uint32, 0, to-from)}
	var sorted []uint32
	for i := from; i < to; i++ {
		switch {
		case s.single != nil && s.none.has(i):
			c.Data = s.appendCoupons(c.Data, nil)
		case s.single != nil:
			c.Data = s.appendCoupons(c.Data, s.single[i:i+1])
		case s.isDense(i):
			c.Data = s.appendRegisters(c.Data, s.registersOf(i))
		default:
			sorted = append(sorted[:0], s.sets.get(i)...) // others may read the states meanwhile
			slices.Sort(sorted)
			c.Data = s.appendCoupons(c.Data, sorted)
		}
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	}
	return []stage.Column{c}
}

// columnBytes is how many bytes Columns writes, or some more: to grow into them costs about as much as to write them.
func (s *sketches) columnBytes(from, to int) (n int) {
	for i := from; i < to; i++ {
		n += s.Weight(i)
	}
	return n
}

func (s *sketches) appendCoupons(b []byte, coupons []uint32) []byte {
	n := len(coupons)
	flags, mode, slots, size := byte(hllCompact), byte(hllList), 3, 2
	switch {
	case n == 0:
		flags |= hllEmpty
	case n > maxSingle:
		mode, slots, size = hllSet, 5, 3
		for 4*n > 3<<slots {
			slots++
		}
	}
	b = append(b, byte(size), hllVersion, hllFamily, byte(s.precision), byte(slots), flags, 0, mode)
	if mode == hllSet {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	} else {
		b[len(b)-2] = byte(n)
	}
	for _, c := range coupons {
		b = binary.LittleEndian.AppendUint32(b, c)
	}
	return b
}

func (s *sketches) appendRegisters(b, registers []byte) []byte {
	low, high, zeros := harmonic(registers)
	b = append(b, 10, hllVersion, hllFamily, byte(s.precision), 0, hllOutOfOrder, 0, hllFull)
	b = binary.LittleEndian.AppendUint64(b, 0) // of the other estimator
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(low))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(high))
	b = binary.LittleEndian.AppendUint32(b, uint32(zeros))
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(b, registers...)
}

// harmonic returns the sums of 2^-value over registers below 32 and over the others, both exact in a float64, and the
// number of registers that are 0.
func harmonic(registers []byte) (low, high float64, zeros int) {
	var of [4][64]uint32 // four, as registers beside each other are often equal: each count waits for the last one of its value
	at := 0
	for ; at+4 <= len(registers); at += 4 {
		r := registers[at : at+4 : at+4]
		of[0][r[0]&63]++
		of[1][r[1]&63]++
		of[2][r[2]&63]++
		of[3][r[3]&63]++
	}
	for _, r := range registers[at:] {
		of[0][r&63]++
	}
	for v := range of[0] {
		n := of[0][v] + of[1][v] + of[2][v] + of[3][v]
		if v < 32 {
			low += math.Ldexp(float64(n), -v)
		} else {
			high += math.Ldexp(float64(n), -v)
		}
	}
	return low, high, int(of[0][0] + of[1][0] + of[2][0] + of[3][0])
}

// floatBits returns the bits that are hashed of a float: -0 is 0, and NaN is one.
func floatBits(v float64) uint64 {
	switch {
	case v != v:
		return 0x7ff8000000000000
	case v == 0:
		return 0
	}
	return math.Float64bits(v)
}

func (hllKind) read(m *Measure, cols []stage.Column, n int) (States, error) {
	s := &sketches{precision: m.Precision, sets: newSets[uint32](n), settled: true}
	for i := range n {
		if err := s.readSketch(i, cols[0].Bytes(i)); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		s.sets.ends[i] = uint32(len(s.sets.of))
	}
	return s, nil
}

// readSketch reads any HLL_8 of DataSketches of the precision, as the next state.
func (s *sketches) readSketch(i int, b []byte) error {
	if len(b) < hllListStart {
		return fmt.Errorf("a sketch of %d bytes", len(b))
	}
	if b[1] != hllVersion || b[2] != hllFamily {
		return fmt.Errorf("version %d of family %d is no HyperLogLog sketch", b[1], b[2])
	}
	if int(b[3]) != s.precision {
		return fmt.Errorf("a sketch of precision %d, want %d", b[3], s.precision)
	}
	count, start := int(b[6]), hllListStart
	switch {
	case b[7] == hllFull && b[0] == 10:
		return s.readRegisters(i, b)
	case b[7] == hllList && b[0] == 2 && count <= maxSingle:
	case b[7] == hllSet && b[0] == 3 && len(b) >= hllSetStart && s.precision >= 8:
		count, start = int(binary.LittleEndian.Uint32(b[8:])), hllSetStart
	default:
		return fmt.Errorf("mode %d with %d words of header is no form of HLL_8", b[7], b[0])
	}
	coupons := b[start:]
	if count > maxCoupons(s.precision) || len(coupons)%4 != 0 || b[5]&hllCompact != 0 && len(coupons) != 4*count {
		return fmt.Errorf("%d coupons in %d bytes", count, len(coupons))
	}
	from := len(s.sets.of)
	for ; len(coupons) > 0; coupons = coupons[4:] {
		c := binary.LittleEndian.Uint32(coupons)
		switch {
		case c>>couponBits != 0:
			s.sets.of = append(s.sets.of, c)
		case c != 0 || b[5]&hllCompact != 0: // an empty slot of a form that is not compact
			return fmt.Errorf("coupon %#x has no value", c)
		}
	}
	if got := len(sortSet(s.sets.of[from:])); got != count || len(s.sets.of)-from != count {
		return fmt.Errorf("%d coupons, %d of them distinct, want %d", len(s.sets.of)-from, got, count)
	}
	return nil
}

func (s *sketches) readRegisters(i int, b []byte) error {
	if len(b) != hllArrayStart+1<<s.precision {
		return fmt.Errorf("%d bytes of registers, want %d", len(b)-hllArrayStart, 1<<s.precision)
	}
	registers := b[hllArrayStart:]
	if slices.Max(registers) > 63 {
		return fmt.Errorf("a register of %d", slices.Max(registers))
	}
	low, high, zeros := harmonic(registers)
	if b[5]&hllRebuild == 0 && (math.Float64frombits(binary.LittleEndian.Uint64(b[16:])) != low ||
		math.Float64frombits(binary.LittleEndian.Uint64(b[24:])) != high || binary.LittleEndian.Uint32(b[32:]) != uint32(zeros)) {
		return fmt.Errorf("registers that do not have the sums written before them")
	}
	s.densify(i)
	copy(s.registersOf(i), registers)
	return nil
}
