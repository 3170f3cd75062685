package stage

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/zeebo/xxh3"
)

// ndjsonMeta is the metadata of an NDJSON file.
type ndjsonMeta struct {
	Footer Footer        `json:"footer"`
	Schema *Schema       `json:"schema"`
	Groups []ndjsonGroup `json:"groups"`
}

// ndjsonGroup is a run of lines with what a Parquet file keeps in statistics.
type ndjsonGroup struct {
	Rows        int    `json:"rows"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
	MinTimeUs   int64  `json:"min_time_us"`
	MaxTimeUs   int64  `json:"max_time_us"`
	Bytes       int64  `json:"bytes"` // of its lines
	Hash        uint64 `json:"hash"`  // xxh3 of its lines
}

func (e *encoder) writeNDJSON(out *pages.Output, s *Schema, foot Footer, chunks []*Chunk, rows int) (int, error) {
	if e.lines == nil {
		var err error
		if e.lines, err = newLineWriter(); err != nil {
			return 0, err
		}
	}
	e.lines.start(out)
	defer e.lines.start(nil)
	meta := ndjsonMeta{Footer: foot, Schema: s}
	names := lineNames(s)
	err := rowGroups(chunks, rows, func(spans []span, n int) error {
		g, err := e.lines.rows(s, names, spans)
		meta.Groups = append(meta.Groups, g)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(meta.Groups), e.lines.finish(meta)
}

// rows writes the rows of one group.
func (w *lineWriter) rows(s *Schema, names []string, spans []span) (ndjsonGroup, error) {
	g := ndjsonGroup{FirstOffset: spans[0].chunk.Offsets[spans[0].from]}
	w.group()
	for _, sp := range spans {
		for r := sp.from; r < sp.to; r++ {
			b, err := appendLine(w.line[:0], s, names, sp.chunk, r)
			if err != nil {
				return g, err
			}
			w.line = b
			if err := w.write(); err != nil {
				return g, err
			}
		}
		g.Rows += sp.to - sp.from
		g.LastOffset = sp.chunk.Offsets[sp.to-1]
	}
	g.MinTimeUs, g.MaxTimeUs = spanTimes(s, spans)
	g.Bytes, g.Hash = w.n, w.sum.Sum64()
	return g, nil
}

func spanTimes(s *Schema, spans []span) (lo, hi int64) {
	none := true
	for _, sp := range spans {
		col := &sp.chunk.Columns[s.EventTime]
		for r := sp.from; r < sp.to; r++ {
			if col.IsNull(r) {
				continue
			}
			v := s.TimeUs(col.Int(r))
			if none {
				lo, hi, none = v, v, false
			}
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

// lineWriter writes lines into one zstd frame, and counts and hashes those of a group.
type lineWriter struct {
	out  io.Writer
	zstd *zstd.Encoder
	sum  *xxh3.Hasher
	n    int64
	line []byte
}

// keepBytes is the most that a lineWriter keeps of its line for the next file.
const keepBytes = 8 << 20

func newLineWriter() (*lineWriter, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &lineWriter{zstd: z, sum: xxh3.New()}, nil
}

// start begins a file; nil lets go of the last one.
func (w *lineWriter) start(out io.Writer) {
	w.out, w.n = out, 0
	w.zstd.Reset(out)
	if cap(w.line) > keepBytes {
		w.line = nil
	}
}

func (w *lineWriter) group() {
	w.n = 0
	w.sum.Reset()
}

// write writes w.line.
func (w *lineWriter) write() error {
	w.n += int64(len(w.line))
	_, _ = w.sum.Write(w.line) // never fails
	_, err := w.zstd.Write(w.line)
	return err
}

// finish ends the frame and writes the metadata.
func (w *lineWriter) finish(meta any) error {
	if w.n == 0 {
		// An empty write makes a frame even of a file without lines.
		if _, err := w.zstd.Write(nil); err != nil {
			return err
		}
	}
	if err := w.zstd.Close(); err != nil {
		return err
	}
	trailer, err := appendTrailer(meta)
	if err != nil {
		return err
	}
	_, err = w.out.Write(trailer)
	return err
}

// lineNames returns what stands before each field's value: `,"name":`. A binary field that is not UTF-8 has
// `,"name_base64":` instead, which is the second of its two.
func lineNames(s *Schema) []string {
	names := make([]string, 0, 2*len(s.Fields))
	for _, f := range s.Fields {
		for _, suffix := range []string{"", base64Suffix} {
			text, _ := json.Marshal(f.Name + suffix) // a string never fails
			names = append(names, ","+string(text)+":")
		}
	}
	return names
}

const base64Suffix = "_base64"

func appendLine(b []byte, s *Schema, names []string, c *Chunk, r int) ([]byte, error) {
	b = append(b, `{"_offset":`...)
	b = appendInt(b, c.Offsets[r])
	b = append(b, `,"_timestamp":`...)
	b = appendTime(b, c.Timestamps[r], millis)
	for i := range s.Fields {
		f, col := &s.Fields[i], &c.Columns[i]
		if col.IsNull(r) {
			b = append(append(b, names[2*i]...), "null"...)
			continue
		}
		if f.Binary() && !utf8.Valid(col.Bytes(r)) {
			b = appendBase64(append(b, names[2*i+1]...), col.Bytes(r))
			continue
		}
		b = append(b, names[2*i]...)
		var err error
		if b, err = appendValue(b, f, col, r); err != nil {
			return nil, fmt.Errorf("offset %d, column %s: %w", c.Offsets[r], f.Name, err)
		}
	}
	return append(b, '}', '\n'), nil
}
