package pages

import "math/bits"

// Kind is how a column's values lie in memory and in files.
type Kind uint8

// The kinds. A decimal of up to 18 digits is an Int64 of its unscaled value.
const (
	Bool       Kind = iota // Ints, 0 or 1
	Int64                  // Ints: int64; date: days since 1970; timestamp: microseconds since 1970 UTC; decimal(p<=18)
	Float64                // Floats
	Bytes                  // Data and Ends: string, json
	Decimal128             // Data, 16 bytes a row, big-endian two's complement of the unscaled value: decimal(p>18)
)

// DecimalBytes is the size of a Decimal128 value.
const DecimalBytes = 16

// Column holds the values of one column. Only the fields of its kind are set. Where a value is null its slot holds the
// zero value (no bytes), so that rows stay aligned.
type Column struct {
	Kind   Kind
	Ints   []int64
	Floats []float64
	Data   []byte
	Ends   []uint32 // Bytes: the end in Data of value i; it starts at the end of value i-1
	Nulls  []uint64 // bit i set: value i is null; bits beyond the slice are unset; nil: no nulls

	// Codes and Dict are set instead of the fields above by the reader where the file holds a dictionary:
	// value i is value Codes[i] of Dict. A null's code is 0 and its bit in Nulls is set.
	Codes []uint32
	Dict  *Column
}

// Len returns the number of values, nulls included.
func (c *Column) Len() int {
	switch {
	case c.Dict != nil:
		return len(c.Codes)
	case c.Kind == Float64:
		return len(c.Floats)
	case c.Kind == Bytes:
		return len(c.Ends)
	case c.Kind == Decimal128:
		return len(c.Data) / DecimalBytes
	}
	return len(c.Ints)
}

// IsNull reports whether value i is null.
func (c *Column) IsNull(i int) bool {
	return i>>6 < len(c.Nulls) && c.Nulls[i>>6]&(1<<(i&63)) != 0
}

// SetNull marks value i as null. Its slot must already hold the zero value.
func (c *Column) SetNull(i int) {
	for i>>6 >= len(c.Nulls) {
		c.Nulls = append(c.Nulls, 0)
	}
	c.Nulls[i>>6] |= 1 << (i & 63)
}

// AppendNull appends a null to a column without a dictionary.
func (c *Column) AppendNull() {
	n := c.Len()
	switch c.Kind {
	case Float64:
		c.Floats = append(c.Floats, 0)
	case Bytes:
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	case Decimal128:
		var zero [DecimalBytes]byte
		c.Data = append(c.Data, zero[:]...)
	default:
		c.Ints = append(c.Ints, 0)
	}
	c.SetNull(n)
}

// AppendInt appends a value of kind Int64 or Bool (0 or 1).
func (c *Column) AppendInt(v int64) { c.Ints = append(c.Ints, v) }

// AppendFloat appends a value of kind Float64.
func (c *Column) AppendFloat(v float64) { c.Floats = append(c.Floats, v) }

// AppendBytes appends a copy of a value of kind Bytes, or of the 16 bytes of a Decimal128. All values of a Bytes column
// together stay below 4 GiB; the callers' record and chunk limits see to that.
func (c *Column) AppendBytes(v []byte) {
	c.Data = append(c.Data, v...)
	if c.Kind == Bytes {
		c.Ends = append(c.Ends, uint32(len(c.Data)))
	}
}

// Int returns value i of kind Int64 or Bool; 0 where it is null.
func (c *Column) Int(i int) int64 {
	if c.Dict != nil {
		if c.IsNull(i) {
			return 0
		}
		return c.Dict.Ints[c.Codes[i]]
	}
	return c.Ints[i]
}

// Float returns value i of kind Float64; 0 where it is null.
func (c *Column) Float(i int) float64 {
	if c.Dict != nil {
		if c.IsNull(i) {
			return 0
		}
		return c.Dict.Floats[c.Codes[i]]
	}
	return c.Floats[i]
}

// Bytes returns value i of kind Bytes or Decimal128; it aliases the column. Empty (zero for a decimal) where it is null.
func (c *Column) Bytes(i int) []byte {
	if c.Dict != nil {
		if c.IsNull(i) {
			if c.Kind == Decimal128 {
				return make([]byte, DecimalBytes)
			}
			return nil
		}
		c, i = c.Dict, int(c.Codes[i])
	}
	if c.Kind == Decimal128 {
		return c.Data[i*DecimalBytes : (i+1)*DecimalBytes : (i+1)*DecimalBytes]
	}
	start := uint32(0)
	if i > 0 {
		start = c.Ends[i-1]
	}
	return c.Data[start:c.Ends[i]:c.Ends[i]]
}

// NullCount returns the number of nulls.
func (c *Column) NullCount() int {
	n := 0
	for _, w := range c.Nulls {
		n += bits.OnesCount64(w)
	}
	return n
}

// Flatten turns codes and dictionary into plain values. A column without a dictionary stays as it is.
func (c *Column) Flatten() {
	if c.Dict == nil {
		return
	}
	flat := Column{Kind: c.Kind, Nulls: c.Nulls}
	flat.AppendFrom(c, 0, len(c.Codes))
	*c = flat
}

// MemBytes returns the capacity of the column in bytes, its dictionary included.
func (c *Column) MemBytes() int64 {
	n := 8*(cap(c.Ints)+cap(c.Floats)+cap(c.Nulls)) + cap(c.Data) + 4*(cap(c.Ends)+cap(c.Codes))
	if c.Dict != nil {
		return int64(n) + c.Dict.MemBytes()
	}
	return int64(n)
}

// Truncate drops the values from n on, which were appended last.
func (c *Column) Truncate(n int) {
	if n > c.Len() {
		return
	}
	switch c.Kind {
	case Float64:
		c.Floats = c.Floats[:n]
	case Bytes:
		end := uint32(0)
		if n > 0 {
			end = c.Ends[n-1]
		}
		c.Data, c.Ends = c.Data[:end], c.Ends[:n]
	case Decimal128:
		c.Data = c.Data[:n*DecimalBytes]
	default:
		c.Ints = c.Ints[:n]
	}
	if w := n >> 6; w < len(c.Nulls) {
		c.Nulls[w] &= 1<<(n&63) - 1
		c.Nulls = c.Nulls[:w+1]
	}
}

// AppendFrom appends values [from, to) of o, with or without a dictionary, to c, which has none. Nulls are not copied.
func (c *Column) AppendFrom(o *Column, from, to int) {
	if o.Dict != nil {
		c.appendCoded(o, from, to)
		return
	}
	switch c.Kind {
	case Float64:
		c.Floats = append(c.Floats, o.Floats[from:to]...)
	case Decimal128:
		c.Data = append(c.Data, o.Data[from*DecimalBytes:to*DecimalBytes]...)
	case Bytes:
		start := uint32(0)
		if from > 0 {
			start = o.Ends[from-1]
		}
		shift := uint32(len(c.Data)) - start // may wrap, and wraps back below
		if to > from {
			c.Data = append(c.Data, o.Data[start:o.Ends[to-1]]...)
		}
		for _, end := range o.Ends[from:to] {
			c.Ends = append(c.Ends, end+shift)
		}
	default:
		c.Ints = append(c.Ints, o.Ints[from:to]...)
	}
}

func (c *Column) appendCoded(o *Column, from, to int) {
	for i := from; i < to; i++ {
		switch c.Kind {
		case Float64:
			c.Floats = append(c.Floats, o.Float(i))
		case Bytes, Decimal128:
			c.AppendBytes(o.Bytes(i))
		default:
			c.Ints = append(c.Ints, o.Int(i))
		}
	}
}
