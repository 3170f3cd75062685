package hbase

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// sealBytes is the check sum that every row's value begins with: a changed byte never gives other cells.
const sealBytes = 4

// seal fills in the check sum of a row, for which its value has left room.
func seal(r row) { binary.LittleEndian.PutUint32(r.value, checkSum(r)) }

// checkSum is of the key and of the value behind the sum.
func checkSum(r row) uint32 {
	h := xxh3.HashSeed(r.value[sealBytes:], xxh3.Hash(r.key))
	return uint32(h)
}

// unseal returns the value of a row without its check sum, which it holds against it.
func unseal(r row) ([]byte, error) {
	if len(r.value) < sealBytes || binary.LittleEndian.Uint32(r.value) != checkSum(r) {
		return nil, fmt.Errorf("row %x: its check sum does not match", r.key[:min(len(r.key), 64)])
	}
	return r.value[sealBytes:], nil
}

// sealed returns a row of a value.
func sealed(key, value []byte) row {
	r := row{key, append(make([]byte, sealBytes, sealBytes+len(value)), value...)}
	seal(r)
	return r
}

// values makes and reads the values of rows: a bit for each column of the measures' states that says it is null, then the
// states that are not.
type values struct {
	layout *cells.Layout
	kinds  []pages.Kind
	nulls  int // bytes of the bits
}

func newValues(l *cells.Layout) *values {
	var kinds []pages.Kind
	for i := range l.Measures {
		for _, c := range l.Measures[i].Columns() {
			kinds = append(kinds, c.Kind)
		}
	}
	v := valuesOf(kinds)
	v.layout = l
	return v
}

// valuesOf are values that make no states.
func valuesOf(kinds []pages.Kind) *values { return &values{kinds: kinds, nulls: (len(kinds) + 7) / 8} }

// columns returns the states of all measures, in the order of their columns.
func (v *values) columns(c *cells.Cells) (cols []pages.Column) {
	for _, s := range c.States {
		cols = append(cols, s.Columns(0, c.Len())...)
	}
	return cols
}

// append appends the value of a row.
func (v *values) append(b []byte, cols []pages.Column, row int) []byte {
	at := len(b)
	b = append(b, make([]byte, v.nulls)...)
	for i := range cols {
		c := &cols[i]
		if c.IsNull(row) {
			b[at+i/8] |= 1 << (i % 8)
			continue
		}
		switch c.Kind {
		case pages.Bool:
			b = append(b, byte(c.Int(row)))
		case pages.Float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Float(row)))
		case pages.Decimal128:
			b = append(b, c.Bytes(row)...)
		case pages.Bytes:
			b = binary.AppendUvarint(b, uint64(len(c.Bytes(row))))
			b = append(b, c.Bytes(row)...)
		default:
			b = binary.LittleEndian.AppendUint64(b, uint64(c.Int(row)))
		}
	}
	return b
}

// empty returns columns without values.
func (v *values) empty() []pages.Column {
	cols := make([]pages.Column, len(v.kinds))
	for i, k := range v.kinds {
		cols[i].Kind = k
	}
	return cols
}

// take appends the states of a value to columns. The error says what is wrong with its bytes.
func (v *values) take(cols []pages.Column, b []byte) error {
	if len(b) < v.nulls {
		return fmt.Errorf("%d bytes of a value", len(b))
	}
	nulls, rest := b[:v.nulls], b[v.nulls:]
	for i := range cols {
		c := &cols[i]
		if nulls[i/8]>>(i%8)&1 == 1 {
			c.AppendNull()
			continue
		}
		n, from := fixedSize(c.Kind), 0
		if c.Kind == pages.Bytes {
			size, k := binary.Uvarint(rest)
			if k <= 0 || size > uint64(len(rest)-k) {
				return fmt.Errorf("state %d ends early", i)
			}
			from, n = k, k+int(size)
		}
		if n > len(rest) {
			return fmt.Errorf("state %d ends early", i)
		}
		switch x := rest[from:n]; c.Kind {
		case pages.Bool:
			if x[0] > 1 {
				return fmt.Errorf("state %d is no boolean", i)
			}
			c.AppendInt(int64(x[0]))
		case pages.Float64:
			c.AppendFloat(math.Float64frombits(binary.LittleEndian.Uint64(x)))
		case pages.Decimal128, pages.Bytes:
			c.AppendBytes(x)
		default:
			c.AppendInt(int64(binary.LittleEndian.Uint64(x)))
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes behind the states", len(rest))
	}
	return nil
}

func fixedSize(k pages.Kind) int {
	switch k {
	case pages.Bool:
		return 1
	case pages.Decimal128:
		return pages.DecimalBytes
	}
	return 8
}

// states makes states of columns.
func (v *values) states(cols []pages.Column) (out []cells.States, err error) {
	for i := range v.layout.Measures {
		m := &v.layout.Measures[i]
		n := len(m.Columns())
		s, err := m.FromColumns(cols[:n])
		if err != nil {
			return nil, err
		}
		out, cols = append(out, s), cols[n:]
	}
	return out, nil
}
