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

// sketches have coupons in sets, or registers. Sketches of events are in single: one coupon each, but where a bit of none
// is set.
type sketches struct {
	precision int
	single    []uint32
	none      bitset
	sets      sets[uint32]
	settled   bool
	dense     []uint32 // 1 + the place in registers of a state that has any, else 0; nil: none has
	registers []byte   // 2^precision for each
}

func (s *sketches) Len() int { return max(len(s.single), s.sets.n) }

func (s *sketches) MemBytes() int64 {
	return s.sets.memBytes(4) + int64(4*(cap(s.single)+cap(s.dense))+8*cap(s.none)+cap(s.registers))
}

func (s *sketches) isDense(i int) bool { return s.dense != nil && s.dense[i] != 0 }

// registersOf returns the registers of a dense state.
func (s *sketches) registersOf(i int) []byte {
	at := int(s.dense[i]-1) << s.precision
	return s.registers[at : at+1<<s.precision]
}

// densify gives state i registers, with no coupon in them.
func (s *sketches) densify(i int) []byte {
	s.addRegisters(i, make([]byte, 1<<s.precision))
	return s.registersOf(i)
}

func (s *sketches) addRegisters(i int, registers []byte) {
	if s.dense == nil {
		s.dense = make([]uint32, s.sets.n)
	}
	s.registers = append(s.registers, registers...)
	s.dense[i] = uint32(len(s.registers) >> s.precision)
}

func raise(registers []byte, coupons []uint32) {
	for _, c := range coupons {
		r := &registers[c&uint32(len(registers)-1)]
		*r = max(*r, byte(c>>couponBits))
	}
}

func (s *sketches) Fold(groups []uint32, src States, from int) error {
	in := sameKind(s, src)
	s.settled = false
	in.settle()
	p := piece[uint32]{groups: groups, from: from, of: in.single, none: in.none}
	if in.single == nil {
		p = piece[uint32]{groups: groups, from: from, of: in.sets.of, ends: in.sets.ends}
	}
	s.sets.wait(p)
	if in.dense != nil {
		for i, g := range groups {
			if in.isDense(from + i) {
				s.takeRegisters(int(g), in.registersOf(from+i))
			}
		}
	}
	if s.sets.crowded() {
		s.settle()
	}
	return nil
}

// takeRegisters takes in registers; coupons that the state has follow when it is settled.
func (s *sketches) takeRegisters(g int, in []byte) {
	if s.isDense(g) {
		raiseAll(s.registersOf(g), in)
		return
	}
	s.addRegisters(g, in)
}

// settle brings what waits into the sets, and into registers where these grow too large or are there already.
func (s *sketches) settle() {
	if s.settled {
		return
	}
	s.settled = true
	all, starts := s.sets.place()
	most := maxCoupons(s.precision)
	var seen []uint32
	kept := uint32(0)
	for i := range s.sets.n {
		set := all[starts[i]:starts[i+1]]
		switch {
		case len(set) > 0 && s.isDense(i):
			raise(s.registersOf(i), set)
			set = nil
		case len(set) > min(few, most):
			size := 2 << bits.Len(uint(min(len(set), most)))
			seen = append(seen[:0], make([]uint32, size)...)
			set = s.distinct(i, set, most, seen)
		case len(set) > 1:
			set = sortSet(set)
		}
		kept += uint32(copy(all[kept:], set))
		s.sets.ends[i] = kept
	}
	s.sets.of = all[:kept]
}

// distinct drops the coupons that repeat others, with seen, of zeros, to find them in: it takes as long as to look at each, and
// only who writes states wants an order. Where more than most are left it makes registers of them and returns none.
func (s *sketches) distinct(i int, set []uint32, most int, seen []uint32) []uint32 {
	distinct := 0
	for at, c := range set {
		slot := c * 0x9E3779B1 >> 7 & uint32(len(seen)-1)
		for seen[slot] != 0 && seen[slot] != c {
			slot = (slot + 1) & uint32(len(seen)-1)
		}
		if seen[slot] == c {
			continue
		}
		if distinct == most {
			registers := s.densify(i)
			raise(registers, set[:distinct])
			raise(registers, set[at:])
			return nil
		}
		seen[slot], set[distinct] = c, c
		distinct++
	}
	return set[:distinct]
}

type hllLifter struct {
	column    string
	precision int
	single    []uint32
	none      bitset

	dict   *stage.Column // the last chunk's, and the coupons of its values, 0 where none was asked for yet
	hashed []uint32
}

func (l *hllLifter) add(e *events) error {
	c := e.column(l.column)
	if c == nil {
		l.none.appendNulls(len(l.single), nil, e.from, e.to)
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
		if coupon == 0 {
			l.none.set(len(l.single))
		}
		l.single = append(l.single, coupon)
	}
	return nil
}

func (l *hllLifter) states(IDs) (States, error) {
	return &sketches{precision: l.precision, single: l.single, none: l.none, settled: true}, nil
}

func (l *hllLifter) memBytes() int64 { return int64(4*(cap(l.single)+cap(l.hashed)) + 8*cap(l.none)) }

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
