package cells

import (
	"math/bits"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// A HyperLogLog sketch of 2^precision registers is kept as coupons while they are few: of each distinct hash 26 bits of
// address and 6 of value. Which form a sketch has follows from the values it has met, never from their order, so that
// equal sets of values have equal bytes.

const (
	couponBits = 26
	couponMask = 1<<couponBits - 1
	maxSingle  = 7 // coupons in the form of a list; more are a set
)

// maxCoupons returns how many coupons a sketch has at most before it has registers.
func maxCoupons(precision int) int {
	if precision < 8 {
		return maxSingle
	}
	return 3 << (precision - 3) / 4
}

func couponOf(h1, h2 uint64) uint32 {
	return uint32(min(bits.LeadingZeros64(h2), 62)+1)<<couponBits | uint32(h1&couponMask)
}

type hllKind struct{}

func (hllKind) columns(m *Measure) []ColumnSpec {
	return []ColumnSpec{{Name: m.Name, Kind: stage.Bytes}}
}

func (hllKind) make(m *Measure, n int) States {
	return &sketches{precision: m.Precision, sets: newSets[uint32](n), settled: true}
}

func (hllKind) lift(m *Measure) lifter {
	return &hllLifter{column: m.Column, precision: m.Precision}
}

// sketches have coupons in sets, or registers. Sketches of events are in single: one coupon each, 0 where there is none.
type sketches struct {
	precision int
	single    []uint32
	sets      sets[uint32]
	settled   bool
	dense     []uint32 // 1 + the place in registers of a state that has any, else 0; nil: none has
	registers []byte   // 2^precision for each
}

func (s *sketches) Len() int { return max(len(s.single), s.sets.n) }

func (s *sketches) MemBytes() int64 {
	return s.sets.memBytes() + int64(4*(cap(s.single)+cap(s.dense))+cap(s.registers))
}

func (s *sketches) isDense(i int) bool { return s.dense != nil && s.dense[i] != 0 }

// registersOf returns the registers of a dense state.
func (s *sketches) registersOf(i int) []byte {
	at := int(s.dense[i]-1) << s.precision
	return s.registers[at : at+1<<s.precision]
}

// densify gives state i registers, with no coupon in them.
func (s *sketches) densify(i int) {
	if s.dense == nil {
		s.dense = make([]uint32, s.sets.n)
	}
	s.registers = append(s.registers, make([]byte, 1<<s.precision)...)
	s.dense[i] = uint32(len(s.registers) >> s.precision)
}

func raise(registers []byte, coupon uint32) {
	r := &registers[coupon&uint32(len(registers)-1)]
	*r = max(*r, byte(coupon>>couponBits))
}

func (s *sketches) Fold(groups []uint32, src States, from int) error {
	in, ok := src.(*sketches)
	if !ok {
		panic(wrong(s, src))
	}
	s.settled = false
	switch {
	case in.single != nil && s.dense == nil:
		for i, c := range in.single[from : from+len(groups)] {
			if c != 0 {
				s.sets.add(groups[i], c)
			}
		}
	case in.single != nil:
		for i, c := range in.single[from : from+len(groups)] {
			if c != 0 {
				s.take(groups[i], in.single[from+i:from+i+1])
			}
		}
	default:
		in.settle()
		for i, g := range groups {
			if in.isDense(from + i) {
				s.takeRegisters(int(g), in.registersOf(from+i))
			} else {
				s.take(g, in.sets.get(from+i))
			}
		}
	}
	if s.sets.full() {
		s.settle()
	}
	return nil
}

// take has state g take in coupons.
func (s *sketches) take(g uint32, coupons []uint32) {
	if !s.isDense(int(g)) {
		s.sets.addAll(g, coupons)
		return
	}
	registers := s.registersOf(int(g))
	for _, c := range coupons {
		raise(registers, c)
	}
}

func (s *sketches) takeRegisters(g int, in []byte) {
	if !s.isDense(g) {
		s.densify(g) // its coupons follow when it is settled
	}
	registers := s.registersOf(g)
	for i, v := range in {
		registers[i] = max(registers[i], v)
	}
}

// settle brings what waits into the sets, and gives registers to those that have grown too large.
func (s *sketches) settle() {
	if s.settled {
		return
	}
	s.settled = true
	s.sets.settle()
	most := maxCoupons(s.precision)
	move := false
	for i := range s.sets.n {
		if n := len(s.sets.get(i)); n > most || n > 0 && s.isDense(i) {
			move = true
			break
		}
	}
	if !move {
		return
	}
	kept, from := uint32(0), uint32(0)
	for i := range s.sets.n {
		set := s.sets.of[from:s.sets.ends[i]]
		from = s.sets.ends[i]
		if len(set) > most && !s.isDense(i) {
			s.densify(i)
		}
		if s.isDense(i) {
			registers := s.registersOf(i)
			for _, c := range set {
				raise(registers, c)
			}
		} else {
			kept += uint32(copy(s.sets.of[kept:], set))
		}
		s.sets.ends[i] = kept
	}
	s.sets.of = s.sets.of[:kept]
}

type hllLifter struct {
	column    string
	precision int
	single    []uint32

	dict   *stage.Column // the last chunk's, and the coupons of its values, 0 where none was asked for yet
	hashed []uint32
}

func (l *hllLifter) add(e *events) error {
	c := e.column(l.column)
	if c == nil {
		l.single = append(l.single, make([]uint32, e.to-e.from)...)
		return nil
	}
	if c.Dict != nil && c.Dict != l.dict {
		l.dict, l.hashed = c.Dict, make([]uint32, c.Dict.Len())
	}
	for i := e.from; i < e.to; i++ {
		coupon := uint32(0)
		switch {
		case c.IsNull(i):
		case c.Dict != nil:
			at := c.Codes[i]
			if coupon = l.hashed[at]; coupon == 0 {
				coupon = couponAt(c.Dict, int(at))
				l.hashed[at] = coupon
			}
		default:
			coupon = couponAt(c, i)
		}
		l.single = append(l.single, coupon)
	}
	return nil
}

func (l *hllLifter) states(IDs) (States, error) {
	return &sketches{precision: l.precision, single: l.single, settled: true}, nil
}

func (l *hllLifter) memBytes() int64 { return int64(4 * (cap(l.single) + cap(l.hashed))) }

// couponAt returns the coupon of a value that is not null. Strings and wide decimals are hashed as their bytes, all others
// as words; the empty string has none, as in DataSketches and Spark.
func couponAt(c *stage.Column, i int) uint32 {
	switch c.Kind {
	case stage.Float64:
		return couponOf(murmurWord(floatBits(c.Floats[i])))
	case stage.Bytes, stage.Decimal128:
		v := c.Bytes(i)
		if len(v) == 0 {
			return 0
		}
		return couponOf(murmur(v))
	}
	return couponOf(murmurWord(uint64(c.Ints[i])))
}
