package pages

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/parquet-go/parquet-go/format"
)

// pageHeader is the part of a Parquet page header that our files use. It is coded by hand, because it is read from
// bytes that no checksum covers: the general decoder allocates whatever a broken length asks for.
type pageHeader struct {
	kind         format.PageType // DataPage (version 1) or DictionaryPage
	uncompressed int
	compressed   int
	crc          uint32 // of the compressed bytes
	values       int    // with nulls
	encoding     format.Encoding
}

// Types of the thrift compact protocol.
const (
	thriftI32    = 5
	thriftStruct = 12
)

// append writes the header in the thrift compact protocol.
func (h *pageHeader) append(b []byte) []byte {
	field := func(delta byte, v int32) {
		b = append(b, delta<<4|thriftI32)
		b = binary.AppendUvarint(b, uint64(uint32(v<<1^v>>31)))
	}
	field(1, int32(h.kind))
	field(1, int32(h.uncompressed))
	field(1, int32(h.compressed))
	field(1, int32(h.crc))
	if h.kind == format.DictionaryPage {
		b = append(b, 3<<4|thriftStruct)
		field(1, int32(h.values))
		field(1, int32(h.encoding))
		return append(b, 0, 0)
	}
	b = append(b, 1<<4|thriftStruct)
	field(1, int32(h.values))
	field(1, int32(h.encoding))
	field(1, int32(format.RLE))
	field(1, int32(format.RLE))
	return append(b, 0, 0)
}

// parsePageHeader reads a header that append wrote and returns what follows it.
func parsePageHeader(b []byte) (h pageHeader, rest []byte, err error) {
	bad := func() (pageHeader, []byte, error) {
		return pageHeader{}, nil, fmt.Errorf("page header: not one that tidemark writes")
	}
	field := func(delta byte) (v int32, ok bool) {
		if len(b) == 0 || b[0] != delta<<4|thriftI32 {
			return 0, false
		}
		u, n := binary.Uvarint(b[1:])
		if n <= 0 || u > 1<<32-1 {
			return 0, false
		}
		b = b[1+n:]
		return int32(u>>1) ^ -int32(u&1), true
	}
	var v [4]int32
	for i := range v {
		var ok bool
		if v[i], ok = field(1); !ok {
			return bad()
		}
	}
	h.kind, h.uncompressed, h.compressed, h.crc = format.PageType(v[0]), int(v[1]), int(v[2]), uint32(v[3])
	fields, open := 4, byte(1<<4|thriftStruct)
	if h.kind == format.DictionaryPage {
		fields, open = 2, 3<<4|thriftStruct
	}
	if len(b) == 0 || b[0] != open || h.kind != format.DataPage && h.kind != format.DictionaryPage {
		return bad()
	}
	b = b[1:]
	for i := range fields {
		var ok bool
		if v[i], ok = field(1); !ok {
			return bad()
		}
	}
	h.values, h.encoding = int(v[0]), format.Encoding(v[1])
	if len(b) < 2 || b[0] != 0 || b[1] != 0 || h.uncompressed < 0 || h.compressed < 0 || h.values < 0 {
		return bad()
	}
	return h, b[2:], nil
}

// page compresses body and writes it as a page, adding its sizes to the chunk's. A chunk's first page decides whether
// compression pays; if not, the whole chunk stays plain, since the codec is a property of the chunk. With OneCodec it is
// not asked.
func (e *Encoder) page(h pageHeader, body []byte) error {
	h.uncompressed = len(body)
	if e.meta.TotalCompressedSize == 0 {
		e.meta.Codec = format.Zstd
	}
	if e.meta.Codec == format.Zstd {
		e.comp = e.zstd.EncodeAll(body, e.comp[:0])
		if !e.OneCodec && e.meta.TotalCompressedSize == 0 && len(e.comp) > len(body)-len(body)/16 {
			e.meta.Codec = format.Uncompressed
		} else {
			body = e.comp
		}
	}
	h.compressed, h.crc = len(body), crc32.ChecksumIEEE(body)
	e.head = h.append(e.head[:0])
	if h.kind == format.DictionaryPage {
		e.meta.DictionaryPageOffset = e.out.N
	} else if e.meta.DataPageOffset == 0 {
		e.meta.DataPageOffset = e.out.N
	}
	e.meta.TotalUncompressedSize += int64(len(e.head) + h.uncompressed)
	e.meta.TotalCompressedSize += int64(len(e.head) + h.compressed)
	e.countPage(h)
	if _, err := e.out.Write(e.head); err != nil {
		return err
	}
	_, err := e.out.Write(body)
	return err
}

// countPage keeps the chunk's encoding statistics: readers tell by them whether all pages have dictionary codes.
func (e *Encoder) countPage(h pageHeader) {
	for i := range e.meta.EncodingStats {
		if s := &e.meta.EncodingStats[i]; s.PageType == h.kind && s.Encoding == h.encoding {
			s.Count++
			return
		}
	}
	e.meta.EncodingStats = append(e.meta.EncodingStats, format.PageEncodingStats{PageType: h.kind, Encoding: h.encoding, Count: 1})
}
