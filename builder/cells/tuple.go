package cells

import (
	"encoding/binary"
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// The values that a top_n ranks are kept as tuples: bytes that compare as the values do, one column after the other. A
// column is 0 for null, else 1 and the value: 8 bytes of an ordered word, 16 of a wide decimal with its sign bit flipped,
// or a string in which 0 is written as 0 255, ended by 0 0.
const (
	tupleNull   = 0
	tupleValue  = 1
	tupleEscape = 0xff
)

// appendTuple appends value i of a column, of which there may be none.
func appendTuple(b []byte, k stage.Kind, c *stage.Column, i int) []byte {
	if c == nil || c.IsNull(i) {
		return append(b, tupleNull)
	}
	b = append(b, tupleValue)
	switch k {
	case stage.Float64:
		return binary.BigEndian.AppendUint64(b, orderFloat(c.Float(i)))
	case stage.Decimal128:
		v := c.Bytes(i)
		return append(append(b, v[0]^0x80), v[1:]...)
	case stage.Bytes:
		for _, x := range c.Bytes(i) {
			if b = append(b, x); x == 0 {
				b = append(b, tupleEscape)
			}
		}
		return append(b, 0, 0)
	}
	return binary.BigEndian.AppendUint64(b, orderInt(c.Int(i)))
}

// checkTuple says what makes b no tuple of columns of the kinds.
func checkTuple(b []byte, kinds []stage.Kind) error {
	for k, kind := range kinds {
		if len(b) == 0 || b[0] > tupleValue {
			return fmt.Errorf("column %d of a tuple begins with none of 0 and 1", k)
		}
		null := b[0] == tupleNull
		b = b[1:]
		size := 8
		switch {
		case null:
			continue
		case kind == stage.Decimal128:
			size = 16
		case kind == stage.Bytes:
			if size = tupleString(b); size == 0 {
				return fmt.Errorf("column %d of a tuple is a string without an end", k)
			}
		}
		if len(b) < size {
			return fmt.Errorf("column %d of a tuple ends after %d bytes, want %d", k, len(b), size)
		}
		b = b[size:]
	}
	if len(b) > 0 {
		return fmt.Errorf("%d bytes behind a tuple", len(b))
	}
	return nil
}

// tupleString returns how many bytes the string at the beginning of b takes with its end, 0 where it has none.
func tupleString(b []byte) int {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		if b[i+1] == 0 {
			return i + 2
		}
		if i++; b[i] != tupleEscape {
			return 0
		}
	}
	return 0
}
