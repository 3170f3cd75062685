package stage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go/format"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// F5: what ParseKey takes, Key gives back.
func FuzzParseKey(f *testing.F) {
	for key := range goldenFiles(f) {
		f.Add(key)
	}
	f.Add("staged/t/0/00000000000000000001-00000000000000000002.g0.e1.v1.parquet")
	f.Add("staged/t/+0/1-2.g.e.v.parquet")
	f.Add("quarantine/t/-1/--.g0.e1.ndjson.zst")
	f.Fuzz(func(t *testing.T, key string) {
		k, err := ParseKey(key)
		if err != nil {
			if !strings.Contains(err.Error(), key) {
				t.Fatalf("ParseKey(%q): error %q does not name the key", key, err)
			}
			return
		}
		if got := k.Key(); got != key {
			t.Fatalf("ParseKey(%q).Key() = %q", key, got)
		}
	})
}

func FuzzFooter(f *testing.F) {
	st, files := goldenStore(f)
	for key := range files {
		if strings.HasPrefix(key, "staged/") {
			r, err := Open(f.Context(), st, key, -1)
			if err != nil {
				f.Fatal(err)
			}
			b, err := Footer.json(r.Footer())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			if err := r.Close(); err != nil {
				f.Fatal(err)
			}
		}
	}
	f.Add([]byte(`{"format_version":1,"row_hash":"00"}`))
	f.Add([]byte(`{"format_version":1,"exceptions":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		foot, err := parseFooter(text)
		if err != nil {
			return
		}
		again, err := foot.json()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseFooter(again)
		if err != nil {
			t.Fatalf("%s\nread, written as\n%s\nand not read again: %v", text, again, err)
		}
		if d := cmp.Diff(foot, back); d != "" {
			t.Fatalf("written and read again (-first +second):\n%s", d)
		}
	})
}

// fuzzFile reads data as each kind of file: an error is fine, if it names the file; a panic or a run out of memory is not.
func fuzzFile(f *testing.F, suffix string, keys ...string) {
	_, files := goldenStore(f)
	for key, data := range files {
		if strings.HasSuffix(key, suffix) {
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, key := range keys {
			st := new(blob.Mem)
			putBytes(t, st, key, data)
			if _, err := readFile(t, st, key); err != nil {
				checkFormatError(t, key, err)
			}
		}
	})
}

func FuzzNDJSONFile(f *testing.F) {
	fuzzFile(f, ndjsonSuffix, "staged/t/0/x.ndjson.zst", "quarantine/t/0/x.ndjson.zst")
}

func FuzzParquetFile(f *testing.F) { fuzzFile(f, parquetSuffix, "staged/t/0/x.parquet") }

func FuzzLedgerFile(f *testing.F) { fuzzFile(f, ".json", "ledger/t/0/x.json") }

// Lines, past the hash that guards them in a file: any text is an error or a row that is written as the same line.
func FuzzLine(f *testing.F) {
	s, rows, _ := fixture()
	names := lineNames(s)
	for r := range rows.Rows() {
		line, err := appendLine(nil, s, names, rows, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSuffix(line, []byte{'\n'}))
	}
	wanted := make([]bool, len(s.Fields))
	for i := range wanted {
		wanted[i] = true
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c := NewChunk(s)
		p := &lineParser{schema: s, names: names, wanted: wanted}
		if p.parse(c, line) != nil {
			return
		}
		again, err := appendLine(nil, s, names, c, 0)
		if err != nil {
			t.Fatal(err)
		}
		c2 := NewChunk(s)
		if err := p.parse(c2, bytes.TrimSuffix(again, []byte{'\n'})); err != nil {
			t.Fatalf("%s\nread, written as\n%s\nand not read again: %v", line, again, err)
		}
		if d := sameRows(c, c2); d != "" {
			t.Fatalf("%s\nwritten and read again (-first +second):\n%s", line, d)
		}
	})
}

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
		err := guarded("x", func() error { return d.chunk(append(h.append(nil), body...)) })
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
