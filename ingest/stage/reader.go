package stage

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// FormatError says that a file's bytes are not what this package writes: foreign, cut off or changed (F3). It is no
// storage error; reading again does not help.
type FormatError = pages.FormatError

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
	src := &pages.Source{Store: st, Key: key, Size: size}
	if err := src.Stat(ctx); err != nil {
		return nil, err
	}
	r := &Reader{key: key}
	var err error
	switch {
	case strings.HasSuffix(key, parquetSuffix):
		err = pages.Guarded(key, func() error { return openParquet(ctx, src, r) })
	case strings.HasSuffix(key, ndjsonSuffix):
		err = pages.Guarded(key, func() error { return openNDJSON(ctx, src, r) })
	default:
		err = &FormatError{Key: key, Err: fmt.Errorf("the name ends in neither %s nor %s", parquetSuffix, ndjsonSuffix)}
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
	err := pages.Guarded(r.key, func() (err error) {
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
		return pages.Corrupt("%d offsets and %d timestamps in a group of %d rows", n, len(c.Timestamps), g.Rows)
	}
	last := g.FirstOffset - 1
	for _, off := range c.Offsets {
		if off <= last {
			return pages.Corrupt("offset %d after %d", off, last)
		}
		last = off
	}
	if n > 0 && (c.Offsets[0] != g.FirstOffset || last != g.LastOffset) {
		return pages.Corrupt("offsets %d to %d in a group of %d to %d", c.Offsets[0], last, g.FirstOffset, g.LastOffset)
	}
	return nil
}

// Close frees what the reader holds. Chunks that were read stay good.
func (r *Reader) Close() error {
	r.body.close()
	return nil
}
