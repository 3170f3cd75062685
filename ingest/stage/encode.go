package stage

import (
	"fmt"
	"io"
	"sync"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// rowGroupRows is the default and the most rows of a row group.
const rowGroupRows = 131072

// EncodeOptions configure Encode. The zero value of a field means its default.
type EncodeOptions struct {
	RowGroupRows int      // default and at most 131072
	NoHash       bool     // leave Footer.RowHash as the caller set it
	Buffers      *Buffers // default: made for this call
}

func (o EncodeOptions) withDefaults() EncodeOptions {
	if o.RowGroupRows <= 0 || o.RowGroupRows > rowGroupRows {
		o.RowGroupRows = rowGroupRows
	}
	if o.Buffers == nil {
		o.Buffers = new(Buffers)
	}
	return o
}

// Buffers keeps the memory of finished encoders for the next ones (a few MiB each), so that many files cost no more
// memory than as many as are encoded at once. The zero value is ready; it is safe for concurrent use.
type Buffers struct{ pool sync.Pool }

// Encoded describes a file that was written.
type Encoded struct {
	Size      int64
	SHA256    string // hexadecimal
	RowGroups int
	RowHash   Hash
	MinTimeUs int64 // measured event time; meaningless without rows
	MaxTimeUs int64
}

// Encode writes a whole staged or supplement file: the rows of chunks, in order. It refuses rows that do not ascend,
// lie outside of foot.Range or are not foot.Events many (F1), and fills those fields of the footer that say "set by
// Encode". The chunks are only read. String and json columns must hold UTF-8, as the decoder's do.
func Encode(w io.Writer, s *Schema, f cube.Format, foot Footer, chunks []*Chunk, o EncodeOptions) (Encoded, error) {
	o = o.withDefaults()
	if err := s.validate(); err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", foot.Range, err)
	}
	if err := checkRows(s, &foot, chunks); err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", foot.Range, err)
	}
	enc, _ := o.Buffers.pool.Get().(*encoder)
	if enc == nil {
		enc = new(encoder)
	}
	defer o.Buffers.pool.Put(enc)
	if !o.NoHash {
		foot.RowHash = Hash{}
		for _, c := range chunks {
			foot.RowHash = foot.RowHash.Add(HashChunk(c))
		}
	}
	foot.FormatVersion, foot.Writer = FormatVersion, WriterVersion
	foot.MinTimeUs, foot.MaxTimeUs = timesOf(s, chunks)

	out := pages.NewOutput(w)
	groups, err := 0, error(nil)
	if f == cube.NDJSON {
		groups, err = enc.writeNDJSON(out, s, foot, chunks, o.RowGroupRows)
	} else {
		groups, err = enc.writeParquet(out, s, foot, chunks, o.RowGroupRows)
	}
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", foot.Range, err)
	}
	return Encoded{
		Size: out.N, SHA256: out.SHA256(), RowGroups: groups,
		RowHash: foot.RowHash, MinTimeUs: foot.MinTimeUs, MaxTimeUs: foot.MaxTimeUs,
	}, nil
}

// checkRows holds the chunks against the schema and the footer (F1).
func checkRows(s *Schema, foot *Footer, chunks []*Chunk) error {
	last, rows := foot.Range.Start-1, int64(0)
	exceptions := foot.Exceptions
	for _, c := range chunks {
		n := c.Rows()
		if len(c.Timestamps) != n || len(c.Columns) != len(s.Fields) {
			return fmt.Errorf("F1: a chunk of %d rows has %d timestamps and %d columns, want %d columns", n, len(c.Timestamps), len(c.Columns), len(s.Fields))
		}
		for i := range c.Columns {
			if c.Columns[i].Len() != n || c.Columns[i].Kind != s.Fields[i].Kind {
				return fmt.Errorf("F1: column %s has %d values of kind %d, want %d of kind %d", s.Fields[i].Name, c.Columns[i].Len(), c.Columns[i].Kind, n, s.Fields[i].Kind)
			}
		}
		for _, off := range c.Offsets {
			if off <= last || off >= foot.Range.End {
				return fmt.Errorf("F1: offset %d after %d, in a file of %s", off, last, foot.Range)
			}
			last = off
			for len(exceptions) > 0 && exceptions[0].End <= off {
				exceptions = exceptions[1:]
			}
			if len(exceptions) > 0 && exceptions[0].Start <= off {
				return fmt.Errorf("F1: offset %d is an event and lies in the %s [%d,%d)", off, exceptions[0].Kind, exceptions[0].Start, exceptions[0].End)
			}
		}
		rows += int64(n)
	}
	if rows != foot.Events {
		return fmt.Errorf("F1: %d rows, the footer says %d", rows, foot.Events)
	}
	return nil
}

// timesOf returns the least and the greatest event time; 0, 0 without one.
func timesOf(s *Schema, chunks []*Chunk) (lo, hi int64) {
	spans := make([]span, len(chunks))
	for i, c := range chunks {
		spans[i] = span{chunk: c, to: c.Rows()}
	}
	return spanTimes(s, spans)
}

// span is a run of rows of one chunk.
type span struct {
	chunk    *Chunk
	from, to int
}

// rowGroups cuts the rows of chunks into runs of at most rows rows, whatever the borders of the chunks (F2).
func rowGroups(chunks []*Chunk, rows int, yield func(spans []span, n int) error) error {
	var spans []span
	n := 0
	for _, c := range chunks {
		for from := 0; from < c.Rows(); {
			to := min(c.Rows(), from+rows-n)
			spans = append(spans, span{c, from, to})
			n += to - from
			from = to
			if n < rows {
				continue
			}
			if err := yield(spans, n); err != nil {
				return err
			}
			spans, n = spans[:0], 0
		}
	}
	if n == 0 {
		return nil
	}
	return yield(spans, n)
}
