package pages

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// columnDecoder decodes column chunks, one after the other. Lengths are checked before memory is asked for: what a
// chunk may hold is bounded by the file's metadata, which a hash covers (P2).
type columnDecoder struct {
	zstd     *zstd.Decoder
	rows     int
	col      *Column
	meta     *format.ColumnMetaData
	physical format.Type
	optional bool

	body   []byte
	levels []byte
	codes  []int32

	text    []byte
	offsets []uint32
}

// chunk decodes all pages of a column chunk.
func (d *columnDecoder) chunk(data []byte) error {
	if d.meta.NumValues != int64(d.rows) {
		return Corrupt("%d values in a group of %d rows", d.meta.NumValues, d.rows)
	}
	if d.meta.TotalUncompressedSize > math.MaxUint32 {
		return Corrupt("%d bytes of values", d.meta.TotalUncompressedSize)
	}
	left := d.meta.TotalUncompressedSize
	seen := 0
	for len(data) > 0 {
		h, rest, err := parsePageHeader(data)
		if err != nil {
			return Corrupt("%v", err)
		}
		if h.compressed > len(rest) || int64(h.uncompressed) > left {
			return Corrupt("a page of %d bytes, %d uncompressed, does not fit its chunk", h.compressed, h.uncompressed)
		}
		left -= int64(h.uncompressed)
		body, err := d.uncompress(h, rest[:h.compressed])
		if err != nil {
			return err
		}
		data = rest[h.compressed:]
		if h.kind == format.DictionaryPage {
			if seen > 0 || d.col.Dict != nil {
				return Corrupt("a dictionary page behind other pages")
			}
			d.col.Dict = &Column{Kind: d.col.Kind}
			err = d.plainValues(d.col.Dict, body, h.values, nil)
		} else {
			if seen += h.values; seen > d.rows {
				return Corrupt("more than %d values", d.rows)
			}
			err = d.dataPage(h, body)
		}
		if err != nil {
			return err
		}
	}
	if seen != d.rows {
		return Corrupt("%d values, want %d", seen, d.rows)
	}
	return nil
}

func (d *columnDecoder) uncompress(h pageHeader, data []byte) ([]byte, error) {
	if crc32.ChecksumIEEE(data) != h.crc {
		return nil, Corrupt("a page is damaged: its checksum does not match")
	}
	switch d.meta.Codec {
	case format.Uncompressed:
	case format.Zstd:
		if cap(d.body) < h.uncompressed+64 {
			d.body = make([]byte, 0, h.uncompressed+64)
		}
		var err error
		if d.body, err = d.zstd.DecodeAll(data, d.body[:0]); err != nil {
			return nil, Corrupt("zstd: %v", err)
		}
		data = d.body
	default:
		return nil, Corrupt("codec %s, want ZSTD or UNCOMPRESSED", d.meta.Codec)
	}
	if len(data) != h.uncompressed {
		return nil, Corrupt("a page of %d bytes, its header says %d", len(data), h.uncompressed)
	}
	return data, nil
}

// dataPage appends the values of a data page to the column.
func (d *columnDecoder) dataPage(h pageHeader, body []byte) (err error) {
	var levels []byte // nil: no nulls
	row := d.col.Len()
	if d.optional {
		if levels, body, err = d.definitionLevels(body, h.values); err != nil {
			return err
		}
	}
	n := h.values
	for i, l := range levels {
		if l == 0 {
			n--
			d.col.SetNull(row + i)
		}
	}
	if (h.encoding == format.RLEDictionary) != (d.col.Dict != nil) {
		return Corrupt("a page of encoding %s in a chunk that has another", h.encoding)
	}
	switch {
	case h.encoding == format.RLEDictionary:
		return d.dictionaryCodes(body, n, levels)
	case h.encoding == format.Plain:
		return d.plainValues(d.col, body, n, levels)
	case h.encoding == format.DeltaBinaryPacked && d.physical == format.Int64:
		return d.deltaValues(body, n, levels)
	}
	if d.physical == format.ByteArray {
		switch h.encoding {
		case format.DeltaByteArray:
			if body, err = cutNoPrefixes(body, n); err != nil {
				return err
			}
			return d.sizedStrings(body, n, levels)
		case format.DeltaLengthByteArray: // the first files of version 1
			return d.sizedStrings(body, n, levels)
		}
	}
	return Corrupt("encoding %s of %s is not one that tidemark writes", h.encoding, d.physical)
}

// definitionLevels reads n levels; nil means that all are 1.
func (d *columnDecoder) definitionLevels(body []byte, n int) (levels, rest []byte, err error) {
	if len(body) < 4 {
		return nil, nil, Corrupt("a page without levels")
	}
	size := int64(binary.LittleEndian.Uint32(body))
	if size > int64(len(body)-4) {
		return nil, nil, Corrupt("%d bytes of levels in a page of %d", size, len(body))
	}
	text, rest := body[4:4+size], body[4+size:]
	if u, k := binary.Uvarint(text); k > 0 && u == uint64(n)<<1 && len(text) == k+1 && text[k] == 1 {
		return nil, rest, nil
	}
	if err := checkRuns(text, 1, n); err != nil {
		return nil, nil, err
	}
	if d.levels, err = (&rle.Encoding{BitWidth: 1}).DecodeLevels(d.levels, text); err != nil {
		return nil, nil, Corrupt("levels: %v", err)
	}
	if len(d.levels) < n {
		return nil, nil, Corrupt("%d levels, want %d", len(d.levels), n)
	}
	for _, l := range d.levels[:n] {
		if l > 1 {
			return nil, nil, Corrupt("a level of %d", l)
		}
	}
	return d.levels[:n], rest, nil
}

// checkRuns walks the runs of the RLE and bit-packing hybrid, so that its decoder meets only whole runs of about n
// values.
func checkRuns(b []byte, width, n int) error {
	for total := 0; len(b) > 0; {
		u, k := binary.Uvarint(b)
		if k <= 0 || u>>1 > uint64(n)+8 {
			return Corrupt("a run longer than its page")
		}
		count, size := int(u>>1), (width+7)/8
		if u&1 == 1 {
			size = count * width
			count *= 8
		}
		total += count
		if size > len(b)-k || total > n+8 {
			return Corrupt("a run that does not fit its page")
		}
		b = b[k+size:]
	}
	return nil
}

func (d *columnDecoder) dictionaryCodes(body []byte, n int, levels []byte) error {
	size := d.col.Dict.Len()
	if n > 0 && (len(body) == 0 || body[0] > 32) {
		return Corrupt("dictionary codes without a width")
	}
	codes := d.codes[:0]
	if n > 0 {
		err := checkRuns(body[1:], int(body[0]), n)
		if err != nil {
			return err
		}
		if codes, err = new(rle.DictionaryEncoding).DecodeInt32(codes, body); err != nil || len(codes) < n {
			return Corrupt("%d dictionary codes, want %d: %v", len(codes), n, err)
		}
	}
	d.codes = codes
	for _, code := range codes[:n] {
		if uint32(code) >= uint32(size) {
			return Corrupt("code %d in a dictionary of %d", uint32(code), size)
		}
	}
	if d.col.Codes == nil {
		d.col.Codes = make([]uint32, 0, d.rows)
	}
	for _, l := range levels {
		code := uint32(0)
		if l == 1 {
			code, codes = uint32(codes[0]), codes[1:]
		}
		d.col.Codes = append(d.col.Codes, code)
	}
	if levels == nil {
		for _, code := range codes[:n] {
			d.col.Codes = append(d.col.Codes, uint32(code))
		}
	}
	return nil
}

func (d *columnDecoder) deltaValues(body []byte, n int, levels []byte) error {
	if err := checkDelta(body, n); err != nil {
		return err
	}
	vals, err := new(delta.BinaryPackedEncoding).DecodeInt64(make([]int64, 0, n), body)
	if err != nil || len(vals) != n {
		return Corrupt("%d delta values, want %d: %v", len(vals), n, err)
	}
	d.scatterInts(d.col, vals, levels)
	return nil
}

// checkDelta holds a delta header, which names the block size, the blocks and the values, against the n values that are
// wanted: the decoder trusts it.
func checkDelta(body []byte, n int) error {
	for _, want := range []uint64{128, 4, uint64(n)} {
		u, k := binary.Uvarint(body)
		if k <= 0 || u != want {
			return Corrupt("a delta header that says %d, want %d", u, want)
		}
		body = body[k:]
	}
	return nil
}

// scatterInts appends vals, with zeros where levels say null.
func (d *columnDecoder) scatterInts(col *Column, vals []int64, levels []byte) {
	if col.Ints == nil {
		col.Ints = make([]int64, 0, max(d.rows, len(vals)))
	}
	if levels == nil {
		col.Ints = append(col.Ints, vals...)
		return
	}
	for _, l := range levels {
		v := int64(0)
		if l == 1 {
			v, vals = vals[0], vals[1:]
		}
		col.Ints = append(col.Ints, v)
	}
}
