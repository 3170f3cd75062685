package readers

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/pages"
)

// ColumnSum is what a reader found in a column: how many values are not null, and the sum of the checksums of their text.
type ColumnSum struct {
	Values int64  `json:"values"`
	Sum    uint64 `json:"sum"`
}

// Sums are those of a file's columns by name.
type Sums map[string]*ColumnSum

// Add takes in a value: decimals by their unscaled number, times by the whole number that is stored of them, dates by days, floats
// by their bits; nil is null.
func (f Sums) Add(name string, v any) {
	s := f[name]
	if s == nil {
		s = new(ColumnSum)
		f[name] = s
	}
	if v == nil {
		return
	}
	s.Values++
	s.Sum += uint64(crc32.ChecksumIEEE(textOf(v)))
}

// Same fails where got is not f.
func (f Sums) Same(t testing.TB, file string, got Sums) {
	t.Helper()
	if d := cmp.Diff(f, got); d != "" {
		t.Errorf("%s: sums differ (-tidemark +reader):\n%s", file, d)
	}
}

func textOf(v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(nil, v)
	case int32:
		return strconv.AppendInt(nil, int64(v), 10)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		if v != v {
			return []byte("nan")
		}
		return strconv.AppendUint(nil, math.Float64bits(v), 10)
	case *big.Int:
		return []byte(v.String())
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	panic(fmt.Sprintf("R2: no text of a %T", v))
}

// Value returns a value of our own as Add wants it.
func Value(c *pages.Column, i int) any {
	switch {
	case c.IsNull(i):
		return nil
	case c.Kind == pages.Bool:
		return c.Int(i) != 0
	case c.Kind == pages.Float64:
		return c.Float(i)
	case c.Kind == pages.Decimal128:
		return TwosComplement(c.Bytes(i))
	case c.Kind == pages.Bytes:
		return c.Bytes(i)
	}
	return c.Int(i)
}

// TwosComplement returns the number of big-endian bytes.
func TwosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}
