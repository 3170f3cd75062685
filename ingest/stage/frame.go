package stage

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/zeebo/xxh3"
)

// An NDJSON file is one zstd frame with the lines, which every reader opens as it is, and behind it a zstd skippable
// frame with our metadata, which every reader passes over. The metadata end in their hash, their length and a magic, so
// that they are found from the end of the file.
const (
	skippableMagic = 0x184D2A5D
	trailerMagic   = "TMN1"
	trailerEnd     = 8 + 4 + len(trailerMagic)
	frameHead      = 8
)

// appendTrailer returns the skippable frame that holds meta as JSON.
func appendTrailer(meta any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(meta); err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(nil, skippableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(text.Len()+trailerEnd))
	b = append(b, text.Bytes()...)
	b = binary.LittleEndian.AppendUint64(b, xxh3.Hash(text.Bytes()))
	b = binary.LittleEndian.AppendUint32(b, uint32(text.Len()))
	return append(b, trailerMagic...), nil
}

// readTrailer reads the metadata at the end of a file into meta and returns how many bytes of lines stand before them.
func readTrailer(ctx context.Context, src *pages.Source, meta any) (frame int64, err error) {
	n := min(src.Size, pages.TailBytes)
	if n < int64(frameHead+trailerEnd) {
		return 0, pages.Corrupt("no whole tidemark file: %d bytes", src.Size)
	}
	tail, err := src.Read(ctx, src.Size-n, n)
	if err != nil {
		return 0, err
	}
	end := tail[len(tail)-trailerEnd:]
	if string(end[12:]) != trailerMagic {
		return 0, pages.Corrupt("a file that tidemark did not write, or not whole: it does not end in %s", trailerMagic)
	}
	size := int64(binary.LittleEndian.Uint32(end[8:]))
	whole := size + int64(frameHead+trailerEnd)
	if tail, err = src.Tail(ctx, tail, whole); err != nil {
		return 0, err
	}
	text := tail[frameHead : frameHead+size]
	if xxh3.Hash(text) != binary.LittleEndian.Uint64(end) ||
		binary.LittleEndian.Uint32(tail) != skippableMagic || int64(binary.LittleEndian.Uint32(tail[4:])) != size+int64(trailerEnd) {
		return 0, pages.Corrupt("the metadata is damaged: its hash does not match")
	}
	if err := json.Unmarshal(text, meta); err != nil {
		return 0, pages.Corrupt("metadata: %v", err)
	}
	return src.Size - whole, nil
}
