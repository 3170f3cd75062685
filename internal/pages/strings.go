package pages

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// A dictionary over these limits is given up: the column is plain in this row group and in the rest of the file.
const (
	dictMaxBytes  = 1 << 20 // of its values, each with its length
	dictMaxValues = 1 << 16
	dictTrial     = 8192 // after so many values, most of which must be repeats
)

// dictionary finds the codes of strings: open addressing over a power of two of slots, at most half full.
type dictionary struct {
	slots []dictSlot
	data  []byte
	ends  []uint32
}

type dictSlot struct {
	hash uint32 // upper bits of the hash, to avoid most comparisons
	code uint32 // plus one; 0: empty
}

// reset empties the dictionary and makes room for n values.
func (d *dictionary) reset(n int) {
	size := 2 << bits.Len(uint(min(n, dictMaxValues)))
	if cap(d.slots) < size {
		d.slots = make([]dictSlot, size)
	}
	d.slots = d.slots[:size]
	clear(d.slots)
	d.data, d.ends = d.data[:0], d.ends[:0]
}

func (d *dictionary) value(code uint32) []byte {
	start := uint32(0)
	if code > 0 {
		start = d.ends[code-1]
	}
	return d.data[start:d.ends[code]]
}

// size returns the bytes of the dictionary page.
func (d *dictionary) size() int { return len(d.data) + 4*len(d.ends) }

// code returns the code of v, a new one if needed; ok is false when the dictionary is full.
func (d *dictionary) code(v []byte) (code uint32, ok bool) {
	h, mask := HashBytes(v), uint64(len(d.slots)-1)
	for at := h & mask; ; at = (at + 1) & mask {
		slot := &d.slots[at]
		if slot.code == 0 {
			if len(d.ends) == dictMaxValues || d.size()+len(v)+4 > dictMaxBytes {
				return 0, false
			}
			d.data = append(d.data, v...)
			d.ends = append(d.ends, uint32(len(d.data)))
			*slot = dictSlot{hash: uint32(h >> 32), code: uint32(len(d.ends))}
			return uint32(len(d.ends) - 1), true
		}
		if slot.hash == uint32(h>>32) && bytes.Equal(d.value(slot.code-1), v) {
			return slot.code - 1, true
		}
	}
}

// bytesColumn writes strings: by dictionary where that pays, else plain. bounds says whether their order means anything.
func (e *Encoder) bytesColumn(plain, bounds bool) (nowPlain bool, err error) {
	total := 0
	for _, s := range e.spans {
		total += len(s.Column.Data) // of a column with a dictionary this is nothing, and its values are few
	}
	if total > math.MaxUint32 {
		return false, fmt.Errorf("%d bytes in one row group, at most %d fit: use smaller row groups", total, math.MaxUint32)
	}
	if !plain {
		if e.buildDictionary() {
			if bounds {
				e.dictionaryStats()
			}
			return false, e.dictionaryPages()
		}
		plain = len(e.codes) > 0
	}
	if bounds {
		e.stringStats()
	}
	return plain, e.stringPages()
}

// buildDictionary fills e.dict and e.codes, and reports whether a dictionary pays.
func (e *Encoder) buildDictionary() bool {
	e.dict.reset(int(e.meta.NumValues))
	e.codes = e.codes[:0]
	row := 0
	for _, s := range e.spans {
		col := s.Column
		for r := s.From; r < s.To; r, row = r+1, row+1 {
			if len(e.levels) > 0 && e.levels[row] == 0 {
				continue
			}
			code, ok := e.dict.code(col.Bytes(r))
			if !ok {
				return false
			}
			e.codes = append(e.codes, int32(code))
			if len(e.codes) == dictTrial && len(e.dict.ends) > dictTrial*3/4 {
				return false
			}
		}
	}
	distinct, n := len(e.dict.ends), len(e.codes)
	return n > 0 && (distinct <= n-n/4 || distinct <= 16)
}

func (e *Encoder) dictionaryPages() error {
	e.body = e.body[:0]
	for code := range e.dict.ends {
		v := e.dict.value(uint32(code))
		e.body = binary.LittleEndian.AppendUint32(e.body, uint32(len(v)))
		e.body = append(e.body, v...)
	}
	return e.codePages(len(e.dict.ends))
}

// codePages writes the dictionary page in e.body, of n values, and the pages of e.codes.
func (e *Encoder) codePages(n int) error {
	err := e.page(pageHeader{kind: format.DictionaryPage, values: n, encoding: format.Plain}, e.body)
	if err != nil {
		return err
	}
	return e.pages(format.RLEDictionary, func(from, to int) (_ []byte, err error) {
		e.part, err = new(rle.DictionaryEncoding).EncodeInt32(e.part, e.codes[from:to])
		return e.part, err
	})
}

// stringPages writes strings one after the other, their lengths before them; pages end by rows or by bytes. The encoding
// is DELTA_BYTE_ARRAY with prefixes of no length: DELTA_LENGTH_BYTE_ARRAY is the same without them, but Spark before 4.1
// reads it wrongly and without an error (SPARK-52240).
func (e *Encoder) stringPages() error {
	row, start := 0, 0
	e.values, e.sizes = e.values[:0], e.sizes[:0]
	flush := func() error {
		n := row - start
		if n == 0 {
			return nil
		}
		if _, err := e.startPage(start, n, 0); err != nil {
			return err
		}
		var err error
		if e.part, err = new(delta.BinaryPackedEncoding).EncodeInt32(e.part, e.sizes); err != nil {
			return err
		}
		e.body = appendNoPrefixes(e.body, len(e.sizes))
		e.body = append(append(e.body, e.part...), e.values...)
		start, e.values, e.sizes = row, e.values[:0], e.sizes[:0]
		return e.page(pageHeader{kind: format.DataPage, values: n, encoding: format.DeltaByteArray}, e.body)
	}
	for _, s := range e.spans {
		col := s.Column
		for r := s.From; r < s.To; r++ {
			if len(e.levels) == 0 || e.levels[row] != 0 {
				v := col.Bytes(r)
				if len(v) > 1<<30 {
					return fmt.Errorf("a value of %d bytes does not fit a page", len(v))
				}
				e.sizes = append(e.sizes, int32(len(v)))
				e.values = append(e.values, v...)
			}
			row++
			if row-start == pageRows || len(e.values) >= pageBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// appendNoPrefixes appends n lengths of 0 in DELTA_BINARY_PACKED.
func appendNoPrefixes(b []byte, n int) []byte {
	b = binary.AppendUvarint(append(b, 0x80, 1, 4), uint64(n))
	return append(b, make([]byte, noPrefixBytes(n))...)
}

// noPrefixBytes is the length of the zeros behind the header: the first value, then for each block of 128 its least
// difference and the widths of its 4 parts.
func noPrefixBytes(n int) int { return 1 + 5*((max(n, 1)+126)/128) }

func (e *Encoder) dictionaryStats() {
	var b bounds
	for code := range e.dict.ends {
		b.add(e.dict.value(uint32(code)), bytes.Compare)
	}
	e.setBounds(b)
}

func (e *Encoder) stringStats() {
	var b bounds
	row := 0
	for _, s := range e.spans {
		col := s.Column
		for r := s.From; r < s.To; r, row = r+1, row+1 {
			if len(e.levels) == 0 || e.levels[row] != 0 {
				b.add(col.Bytes(r), bytes.Compare)
			}
		}
	}
	e.setBounds(b)
}
