package stage

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// FormatError says that a file's bytes are not what this package writes: foreign, cut off or changed (F3). It is no
// storage error; reading again does not help.
type FormatError struct {
	Key string
	Err error
}

func (e *FormatError) Error() string { return fmt.Sprintf("file %s: %v", e.Key, e.Err) }

func (e *FormatError) Unwrap() error { return e.Err }

// Group describes a row group. Times are those of the event time, closed, and meaningless when all are null.
type Group struct {
	Rows        int
	FirstOffset int64
	LastOffset  int64 // inclusive
	MinTimeUs   int64
	MaxTimeUs   int64
}

// body is what differs between the formats.
type body interface {
	read(ctx context.Context, group int, fields []int) (*Chunk, error)
	close()
}

// Reader reads a staged or supplement file. It may be used by several goroutines at once.
type Reader struct {
	key    string
	foot   Footer
	schema *Schema
	groups []Group
	body   body
}

// Open reads the metadata of the staged or supplement file at key, of either format. size < 0: it is looked up.
// A *FormatError says that the file is not one of ours or not whole; other errors are the store's.
func Open(ctx context.Context, st blob.Store, key string, size int64) (*Reader, error) {
	src := &source{st: st, key: key, size: size}
	if err := src.stat(ctx); err != nil {
		return nil, err
	}
	r := &Reader{key: key}
	var err error
	switch {
	case strings.HasSuffix(key, parquetSuffix):
		err = guarded(key, func() error { return openParquet(ctx, src, r) })
	case strings.HasSuffix(key, ndjsonSuffix):
		err = guarded(key, func() error { return openNDJSON(ctx, src, r) })
	default:
		err = &FormatError{key, fmt.Errorf("the name ends in neither %s nor %s", parquetSuffix, ndjsonSuffix)}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Footer returns what the file says of itself.
func (r *Reader) Footer() Footer { return r.foot }

// Schema returns the columns of the file. It must not be changed.
func (r *Reader) Schema() *Schema { return r.schema }

// Groups returns the row groups, ascending by offset. It must not be changed.
func (r *Reader) Groups() []Group { return r.groups }

// Read returns the rows of a group: offsets and timestamps, and the columns with the given indexes into Schema().Fields;
// the others are empty. Nil fields means all. The chunk is the caller's. Parquet reads only those columns' bytes;
// NDJSON is cheap when groups are read in order.
func (r *Reader) Read(ctx context.Context, group int, fields []int) (*Chunk, error) {
	if group < 0 || group >= len(r.groups) {
		return nil, fmt.Errorf("file %s: no row group %d, there are %d", r.key, group, len(r.groups))
	}
	if fields == nil {
		fields = make([]int, len(r.schema.Fields))
		for i := range fields {
			fields[i] = i
		}
	}
	for _, f := range fields {
		if f < 0 || f >= len(r.schema.Fields) {
			return nil, fmt.Errorf("file %s: no field %d, there are %d", r.key, f, len(r.schema.Fields))
		}
	}
	var c *Chunk
	err := guarded(r.key, func() (err error) {
		if c, err = r.body.read(ctx, group, fields); err != nil {
			return err
		}
		return checkGroup(c, &r.groups[group])
	})
	if err != nil {
		return nil, err
	}
	c.MinTimeUs, c.MaxTimeUs = r.groups[group].MinTimeUs, r.groups[group].MaxTimeUs
	return c, nil
}

// checkGroup holds the rows that were read against the group's bounds (F1, F3).
func checkGroup(c *Chunk, g *Group) error {
	n := c.Rows()
	if n != g.Rows || len(c.Timestamps) != n {
		return corrupt("%d offsets and %d timestamps in a group of %d rows", n, len(c.Timestamps), g.Rows)
	}
	last := g.FirstOffset - 1
	for _, off := range c.Offsets {
		if off <= last {
			return corrupt("offset %d after %d", off, last)
		}
		last = off
	}
	if n > 0 && (c.Offsets[0] != g.FirstOffset || last != g.LastOffset) {
		return corrupt("offsets %d to %d in a group of %d to %d", c.Offsets[0], last, g.FirstOffset, g.LastOffset)
	}
	return nil
}

// Close frees what the reader holds. Chunks that were read stay good.
func (r *Reader) Close() error {
	r.body.close()
	return nil
}

// corruptError marks an error that lies in the bytes.
type corruptError struct{ text string }

func (e *corruptError) Error() string { return e.text }

func corrupt(format string, args ...any) error {
	return &corruptError{fmt.Sprintf(format, args...)}
}

// guarded runs f over bytes of a file: what f finds wrong, and a panic of a decoder, become a *FormatError (F3).
func guarded(key string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &FormatError{key, fmt.Errorf("not whole: %v", p)}
		}
	}()
	err = f()
	if c, ok := err.(*corruptError); ok {
		return &FormatError{key, c}
	}
	return err
}

// source is an object that is read in ranges.
type source struct {
	st   blob.Store
	key  string
	size int64
}

// stat looks the size up where it is not known.
func (s *source) stat(ctx context.Context) error {
	if s.size >= 0 {
		return nil
	}
	o, err := blob.Stat(ctx, s.st, s.key)
	if err != nil {
		return fmt.Errorf("look up %s: %w", s.key, err)
	}
	s.size = o.Size
	return nil
}

// read returns bytes [off, off+n).
func (s *source) read(ctx context.Context, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off+n > s.size || off+n < 0 {
		return nil, corrupt("bytes %d to %d of a file of %d", off, off+n, s.size)
	}
	body, err := s.st.Open(ctx, s.key, off, n)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.key, err)
	}
	defer body.Close()
	buf := make([]byte, n, n+64) // room for decoders that read in words
	if got, err := io.ReadFull(body, buf); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, corrupt("ends at byte %d, want %d", off+int64(got), off+n)
		}
		return nil, fmt.Errorf("read %s: %w", s.key, err)
	}
	return buf, nil
}

// tailBytes is how much of a file's end is read at first; metadata mostly fits.
const tailBytes = 64 << 10

// tail returns the last n bytes, given those that were read already.
func (s *source) tail(ctx context.Context, have []byte, n int64) ([]byte, error) {
	if int64(len(have)) >= n {
		return have[int64(len(have))-n:], nil
	}
	if n > s.size {
		return nil, corrupt("metadata of %d bytes in a file of %d", n, s.size)
	}
	return s.read(ctx, s.size-n, n)
}
