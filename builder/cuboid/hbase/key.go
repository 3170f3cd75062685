package hbase

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// A row key is the shard (2 bytes), the cuboid (8 bytes), then the values of its dimensions (H2).
const (
	shardBytes  = 2
	cuboidBytes = 8
	fixedBytes  = shardBytes + cuboidBytes
)

// appendPrefix appends what all keys of a cuboid in a shard begin with.
func appendPrefix(b []byte, shard int, mask uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(shard))
	return binary.BigEndian.AppendUint64(b, mask)
}

// appendNull and appendValue append the form of a dimension's value that compares bytewise as values do. No form is the
// beginning of another.
func appendNull(b []byte) []byte { return append(b, 0) }

func appendValue(b []byte, c *pages.Column, i int) []byte {
	b = append(b, 1)
	switch c.Kind {
	case pages.Bool:
		return append(b, byte(c.Ints[i]))
	case pages.Int64:
		return binary.BigEndian.AppendUint64(b, uint64(c.Ints[i])^1<<63)
	case pages.Float64:
		return binary.BigEndian.AppendUint64(b, orderFloat(c.Floats[i]))
	case pages.Decimal128:
		at := len(b)
		b = append(b, c.Bytes(i)...)
		b[at] ^= 0x80
		return b
	}
	for _, x := range c.Bytes(i) {
		if b = append(b, x); x == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 0)
}

// orderFloat returns a word that compares as the float does. Dictionaries hold no -0, and one NaN, which comes last.
func orderFloat(v float64) uint64 {
	bits := math.Float64bits(v)
	switch {
	case v != v:
		return math.MaxUint64
	case bits>>63 != 0:
		return ^bits
	}
	return bits | 1<<63
}

func floatOf(w uint64) float64 {
	switch {
	case w == math.MaxUint64:
		return math.Float64frombits(0x7ff8000000000001) // the one that dictionaries hold
	case w>>63 != 0:
		return math.Float64frombits(w &^ (1 << 63))
	}
	return math.Float64frombits(^w)
}

// valueLen returns how many bytes of b the first value takes.
func valueLen(k pages.Kind, b []byte) (int, error) {
	if len(b) == 0 || b[0] > 1 {
		return 0, fmt.Errorf("no value at % x", b[:min(len(b), 8)])
	}
	n := 1
	switch {
	case b[0] == 0:
	case k == pages.Bool:
		n = 2
	case k == pages.Int64, k == pages.Float64:
		n = 9
	case k == pages.Decimal128:
		n = 1 + pages.DecimalBytes
	default:
		for ; ; n += 2 {
			for n < len(b) && b[n] != 0 {
				n++
			}
			if n+2 > len(b) {
				return 0, fmt.Errorf("a string without an end")
			}
			if b[n+1] == 0 {
				return n + 2, nil
			}
			if b[n+1] != 0xff {
				return 0, fmt.Errorf("a string with 0 before %d", b[n+1])
			}
		}
	}
	if n > len(b) {
		return 0, fmt.Errorf("a value ends %d bytes early", n-len(b))
	}
	return n, nil
}

// takeValue appends the value of a form that valueLen has measured, which is not null's, to c.
func takeValue(c *pages.Column, b []byte) error {
	b = b[1:]
	switch c.Kind {
	case pages.Bool:
		if b[0] > 1 {
			return fmt.Errorf("%d is no boolean", b[0])
		}
		c.AppendInt(int64(b[0]))
	case pages.Int64:
		c.AppendInt(int64(binary.BigEndian.Uint64(b) ^ 1<<63))
	case pages.Float64:
		c.AppendFloat(floatOf(binary.BigEndian.Uint64(b)))
	case pages.Decimal128:
		v := [pages.DecimalBytes]byte(b)
		v[0] ^= 0x80
		c.AppendBytes(v[:])
	default:
		v := make([]byte, 0, len(b))
		for i := 0; i < len(b)-2; i++ {
			if v = append(v, b[i]); b[i] == 0 {
				i++
			}
		}
		c.AppendBytes(v)
	}
	return nil
}

// keyMaker makes the keys of cells.
type keyMaker struct {
	cells  *cells.Cells
	shards int
	shard  int        // dimension whose value decides the shard; -1: the whole key does
	forms  [][][]byte // of each code of each dimension
}

// newKeyMaker prepares the forms of all values once. by is the dimension of shard_by, -1 if there is none.
func newKeyMaker(c *cells.Cells, shards, by int) *keyMaker {
	k := &keyMaker{cells: c, shards: shards, shard: by, forms: make([][][]byte, len(c.Dicts))}
	for i, d := range c.Dicts {
		if d == nil {
			continue
		}
		k.forms[i] = make([][]byte, d.Len())
		k.forms[i][0] = appendNull(nil)
		for v := range d.Values.Len() {
			k.forms[i][v+1] = appendValue(nil, &d.Values, v)
		}
	}
	if by >= 0 && c.Dicts[by] == nil {
		k.shard = -1
	}
	return k
}

// key returns the key of a row.
func (k *keyMaker) key(row int) []byte {
	n := fixedBytes
	for i, forms := range k.forms {
		if forms != nil {
			n += len(forms[k.cells.Keys.Code(row, i)])
		}
	}
	b := appendPrefix(make([]byte, 0, n), 0, k.cells.Mask)
	for i, forms := range k.forms {
		if forms != nil {
			b = append(b, forms[k.cells.Keys.Code(row, i)]...)
		}
	}
	what := b[fixedBytes:]
	if k.shard >= 0 {
		what = k.forms[k.shard][k.cells.Keys.Code(row, k.shard)]
	}
	binary.BigEndian.PutUint16(b, uint16(shardOf(what, k.shards)))
	return b
}

// shardOf returns a shard from 1 on. Shard 0 is what describes the table.
func shardOf(form []byte, shards int) int { return 1 + int(xxh3.Hash(form)%uint64(shards)) }

// splits returns where regions begin: the first one also has what describes the table.
func splits(shards int) (out [][]byte) {
	for i := 2; i <= shards; i++ {
		out = append(out, binary.BigEndian.AppendUint16(nil, uint16(i)))
	}
	return out
}
