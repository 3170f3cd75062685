package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"weak"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// CellQuery asks for events as cells.
type CellQuery struct {
	Layout *cells.Layout // the same one each time, so that what is kept of it is found again
	Mask   uint64
	Times  []Span // events of other times may be left out (E4); none: of all times
	Exact  bool   // they are left out, and nothing is kept

	// IDs numbers strings for exact distinct counts, as cells.Block says. What was made under another IDsVersion is not found
	// again: the same string must always get the same number under one.
	IDs        cells.IDs
	IDsVersion int64
}

// Batch is cells of some events.
type Batch struct {
	Value  any   // what Options.Convert made: without it a *cells.Cells. It is shared and must not be changed
	Events int64 // that they are made of; of those of one file the first batch has all
	Kept   bool  // they were made before
}

// Cells yields the cells of a set, some files or chunks at once, in their order. An error is the last thing it yields: a *FileError,
// a *TypesError, a *cells.OverflowError, or what the catalog said.
func (src *Source) Cells(ctx context.Context, set Set, q CellQuery) iter.Seq2[Batch, error] {
	q.Exact = q.Exact && len(q.Times) > 0
	jobs := func(ctx context.Context) iter.Seq2[job[[]Batch], error] {
		return func(yield func(job[[]Batch], error) bool) {
			for p, err := range set.pieces(ctx, q.Times) {
				if err != nil {
					yield(job[[]Batch]{}, err)
					return
				}
				if !yield(job[[]Batch]{p.estimate(), func(ctx context.Context) ([]Batch, error) { return src.batches(ctx, p, &q) }}, nil) {
					return
				}
			}
		}
	}
	return func(yield func(Batch, error) bool) {
		for list, err := range ordered(ctx, src.o.Readers, src.o.ReadBytes, jobs, func([]Batch) {}) {
			if err != nil {
				yield(Batch{}, err)
				return
			}
			for _, b := range list {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// expansion is about how much larger events are in memory than in a file.
const expansion = 6

// estimate is about what of a piece is in memory at once.
func (p *piece) estimate() int64 {
	if p.file != nil {
		return expansion * p.file.Size
	}
	return int64(p.chunk.Rows()) * 64 // the chunk itself is there already
}

// batches returns the cells of a piece.
func (src *Source) batches(ctx context.Context, p piece, q *CellQuery) ([]Batch, error) {
	var all kept
	var found bool
	var err error
	read := func(ctx context.Context) (kept, error) {
		if p.file != nil {
			return src.fileCells(ctx, &p, q)
		}
		return src.chunkCells(&p, q)
	}
	if q.Exact || src.o.NoCells || (p.file == nil && !p.sealed) {
		all, err = read(ctx)
	} else {
		key := cellKey{keep: p.keepKey(), layout: q.Layout, mask: q.Mask, ids: q.IDsVersion}
		if p.file != nil {
			key.file = p.file.Key
		} else {
			key.chunk = weak.Make(p.chunk)
		}
		all, found, err = src.cells.get(ctx, key, read)
	}
	if err != nil {
		return nil, err
	}
	list := make([]Batch, len(all.list))
	for i, c := range all.list {
		if list[i] = (Batch{Value: c, Kept: found}); i == 0 {
			list[i].Events = all.events
		}
	}
	return list, nil
}

func (src *Source) chunkCells(p *piece, q *CellQuery) (kept, error) {
	c, err := src.group(p, p.schema, p.chunk, q)
	if err != nil || c.events == 0 {
		return kept{}, err
	}
	src.m.events.WithLabelValues("tail").Add(float64(c.events))
	return c, nil
}

// fileCells groups a file row group by row group, so that one of them is in memory at once.
func (src *Source) fileCells(ctx context.Context, p *piece, q *CellQuery) (all kept, err error) {
	rd, err := src.open(ctx, p)
	if err != nil {
		return kept{}, err
	}
	defer rd.Close() // frees memory only, its error says nothing
	fields := q.Layout.Fields(rd.Schema())
	for i, g := range rd.Groups() {
		if !p.mayHold(g) || (q.Exact && !spans(q.Times).overlap(g.MinTimeUs, g.MaxTimeUs)) {
			continue
		}
		c, err := rd.Read(ctx, i, fields)
		if err != nil {
			return kept{}, src.fileError(ctx, p, err)
		}
		part, err := src.group(p, rd.Schema(), c, q)
		if err != nil {
			return kept{}, err
		}
		if part.events > 0 {
			all.list, all.events, all.size = append(all.list, part.list...), all.events+part.events, all.size+part.size
		}
	}
	src.m.events.WithLabelValues("staged").Add(float64(all.events))
	return all, nil
}

// group groups what is wanted of a chunk.
func (src *Source) group(p *piece, s *stage.Schema, c *stage.Chunk, q *CellQuery) (kept, error) {
	runs := p.rows(c.Offsets)
	if q.Exact {
		runs = inTime(s, c, runs, q.Times)
	}
	if len(runs) == 0 {
		return kept{}, nil
	}
	b := q.Layout.NewBlock(q.Mask)
	b.IDs = q.IDs
	for _, r := range runs {
		if err := b.Add(s, c, r.from, r.to, p.line.Partition); err != nil {
			return kept{}, &TypesError{p.where(), err}
		}
	}
	events := int64(b.Rows())
	out, err := b.Cells()
	if err != nil {
		return kept{}, fmt.Errorf("group events of %s: %w", p.where(), err)
	}
	value, size := src.o.Convert(out)
	return kept{[]any{value}, events, size}, nil
}

// open opens a piece's file.
func (src *Source) open(ctx context.Context, p *piece) (*stage.Reader, error) {
	rd, err := stage.Open(ctx, src.o.Store, p.file.Key, p.file.Size)
	if err != nil {
		return nil, src.fileError(ctx, p, err)
	}
	src.m.files.Inc()
	return rd, nil
}

// fileError names the file (E6), unless the reader was cancelled.
func (src *Source) fileError(ctx context.Context, p *piece, err error) error {
	var format *stage.FormatError
	if ctx.Err() != nil && !errors.As(err, &format) && !errors.Is(err, blob.ErrNotFound) {
		return context.Cause(ctx)
	}
	src.m.fileErrors.Inc()
	r := p.line
	r.Start, r.End = p.keep[0].from, p.keep[len(p.keep)-1].to
	return &FileError{Key: p.file.Key, Range: r, Err: err}
}
