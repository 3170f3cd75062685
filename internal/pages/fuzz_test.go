package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// Pages, past the checksums that guard them in a file: the decoders take any bytes.
func FuzzPage(f *testing.F) {
	f.Add(byte(0), byte(format.Plain), uint16(3), []byte{2, 0, 0, 0, 6, 1, 1, 0, 0, 0, 'a'})
	f.Add(byte(1), byte(format.RLEDictionary), uint16(9), []byte{3, 0, 0, 0, 3, 0xff, 1, 2, 3, 0x88, 0xc6, 0xfa})
	f.Add(byte(2), byte(format.DeltaBinaryPacked), uint16(40), []byte{128, 1, 4, 40, 0, 2, 1, 1, 1, 1, 0xaa, 0xaa})
	f.Add(byte(0), byte(format.DeltaByteArray), uint16(2), append(appendNoPrefixes([]byte{2, 0, 0, 0, 4, 1}, 2), 128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 'a', 'b'))
	f.Add(byte(0), byte(format.DeltaLengthByteArray), uint16(2), []byte{128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 'a', 'b'})
	f.Fuzz(func(t *testing.T, physical, encoding byte, values uint16, body []byte) {
		types := []format.Type{format.ByteArray, format.Int32, format.Int64, format.Double, format.Boolean, format.FixedLenByteArray}
		kinds := []Kind{Bytes, Int64, Int64, Float64, Bool, Decimal128}
		at := int(physical) % len(types)
		h := pageHeader{kind: format.DataPage, values: int(values), encoding: format.Encoding(encoding), compressed: len(body), uncompressed: len(body)}
		h.crc = crc32.ChecksumIEEE(body)
		col := &Column{Kind: kinds[at]}
		if h.encoding == format.RLEDictionary {
			col.Dict = &Column{Kind: kinds[at], Ints: make([]int64, 5), Floats: make([]float64, 5), Ends: make([]uint32, 5), Data: make([]byte, 80)}
		}
		d := &columnDecoder{rows: int(values), col: col, physical: types[at], optional: physical&0x80 == 0, meta: &format.ColumnMetaData{
			NumValues: int64(values), TotalUncompressedSize: int64(len(body)), Codec: format.Uncompressed,
		}}
		err := Guarded("x", func() error { return d.chunk(append(h.append(nil), body...)) })
		var fe *FormatError
		if err != nil && !errors.As(err, &fe) {
			t.Fatalf("error %v (%T), want a *FormatError", err, err)
		}
		if err != nil {
			return
		}
		if col.Len() != int(values) {
			t.Fatalf("%d values, want %d", col.Len(), values)
		}
		for i := range col.Len() {
			touch(col, i)
		}
	})
}

// touch reads a value, which panics if the column is not sound.
func touch(c *Column, i int) {
	switch c.Kind {
	case Float64:
		c.Float(i)
	case Bytes, Decimal128:
		c.Bytes(i)
	default:
		c.Int(i)
	}
}

func FuzzPageHeader(f *testing.F) {
	h := pageHeader{kind: format.DataPage, uncompressed: 100, compressed: 50, crc: 0xdeadbeef, values: 7, encoding: format.Plain}
	f.Add(h.append(nil))
	h.kind = format.DictionaryPage
	f.Add(binary.AppendUvarint(h.append(nil), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, err := parsePageHeader(b)
		if err != nil {
			return
		}
		again, rest2, err := parsePageHeader(append(h.append(nil), rest...))
		if err != nil || again != h || !bytes.Equal(rest, rest2) {
			t.Fatalf("%x reads as %+v, written and read again as %+v: %v", b, h, again, err)
		}
	})
}
