package source

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// ScanQuery asks for events as they are.
type ScanQuery struct {
	Table   *stage.Schema // of the version whose types are asked for
	Columns []string      // of it, and _offset, _timestamp, _partition
	Times   []Span        // events of other times may be left out (E4); none: of all times
	Exact   bool          // they are left out
}

// Size adds up the files of a set in which events of times may be: whole ones, although of most only some columns and row groups
// are read. It stops when the bytes are above enough. What it reads is the catalog.
func (src *Source) Size(ctx context.Context, set Set, times []Span, enough int64) (files, bytes int64, err error) {
	for p, err := range set.pieces(ctx, times) {
		if err != nil {
			return files, bytes, err
		}
		if p.file == nil {
			continue
		}
		if files, bytes = files+1, bytes+p.file.Size; bytes > enough {
			break
		}
	}
	return files, bytes, nil
}

// recordRows is the most rows of a record.
const recordRows = 65536

// Scan yields the events of a set as records with the schema that Schema gives, by partition, generation and offset but for
// requeued offsets, which come after the file that they were missing in. Some row groups are in memory at once. A record is the
// loop's until it asks for the next; keep it with Retain. An error is the last thing it yields: a *FileError, a *TypesError, or
// what the catalog said.
func (src *Source) Scan(ctx context.Context, set Set, q ScanQuery) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		columns, err := outColumns(q.Table, q.Columns)
		if err != nil {
			yield(nil, err)
			return
		}
		s := &scan{src: src, set: set, q: q, columns: columns, out: schemaOf(columns)}
		s.q.Exact = q.Exact && len(q.Times) > 0
		for list, err := range ordered(ctx, src.o.ScanReaders, src.o.ReadBytes, s.groups, releaseAll) {
			for i, rec := range list {
				if !yield(rec, nil) {
					releaseAll(list[i:])
					return
				}
				rec.Release()
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func releaseAll(list []arrow.Record) {
	for _, r := range list {
		r.Release()
	}
}

// scan is one call of Scan.
type scan struct {
	src     *Source
	set     Set
	q       ScanQuery
	columns []outColumn
	out     *arrow.Schema
}

// opened is a piece whose groups are to be read.
type opened struct {
	piece
	rec  *recorder
	rd   *stage.Reader // nil: of the tail
	left atomic.Int64  // groups that are not read, and one while they are listed
}

func (o *opened) done() {
	if o.left.Add(-1) == 0 && o.rd != nil {
		o.rd.Close() // frees memory only, its error says nothing
	}
}

// open lists the pieces, opened some at once and in their order.
func (s *scan) open(ctx context.Context) iter.Seq2[*opened, error] {
	jobs := func(ctx context.Context) iter.Seq2[job[*opened], error] {
		return func(yield func(job[*opened], error) bool) {
			for p, err := range s.set.pieces(ctx, s.q.Times) {
				j := job[*opened]{run: func(ctx context.Context) (*opened, error) { return s.openOne(ctx, p) }}
				if !yield(j, err) {
					return
				}
			}
		}
	}
	return ordered(ctx, s.src.o.ScanReaders, s.src.o.ReadBytes, jobs, (*opened).done)
}

func (s *scan) openOne(ctx context.Context, p piece) (*opened, error) {
	o := &opened{piece: p}
	o.left.Store(1)
	schema := p.schema
	if p.file != nil {
		var err error
		if o.rd, err = s.src.open(ctx, &p); err != nil {
			return nil, err
		}
		schema = o.rd.Schema()
	}
	var err error
	if o.rec, err = newRecorder(s.out, s.columns, schema, p.line.Partition); err != nil {
		o.done()
		return nil, &TypesError{p.where(), err}
	}
	return o, nil
}

// groups lists the row groups and chunks to be read.
func (s *scan) groups(ctx context.Context) iter.Seq2[job[[]arrow.Record], error] {
	return func(yield func(job[[]arrow.Record], error) bool) {
		for o, err := range s.open(ctx) {
			if err != nil {
				yield(job[[]arrow.Record]{}, err)
				return
			}
			more := s.groupsOf(o, yield)
			o.done()
			if !more {
				return
			}
		}
	}
}

func (s *scan) groupsOf(o *opened, yield func(job[[]arrow.Record], error) bool) bool {
	if o.rd == nil {
		return yield(job[[]arrow.Record]{bytes: o.estimate(), run: func(context.Context) ([]arrow.Record, error) {
			return s.records(o, o.chunk, "tail"), nil
		}}, nil)
	}
	fields := o.rec.needs(s.q.Exact)
	for i, g := range o.rd.Groups() {
		if !o.mayHold(g) || !spans(s.q.Times).overlap(g.MinTimeUs, g.MaxTimeUs) {
			continue
		}
		o.left.Add(1)
		if !yield(job[[]arrow.Record]{bytes: 2 * o.rd.GroupBytes(i, fields), run: func(ctx context.Context) ([]arrow.Record, error) {
			defer o.done()
			c, err := o.rd.Read(ctx, i, fields)
			if err != nil {
				return nil, s.src.fileError(ctx, &o.piece, err)
			}
			return s.records(o, c, "staged"), nil
		}}, nil) {
			o.done() // it will not run
			return false
		}
	}
	return true
}

// records makes records of what is wanted of a chunk.
func (s *scan) records(o *opened, c *stage.Chunk, from string) (list []arrow.Record) {
	runs := o.rows(c.Offsets)
	if s.q.Exact {
		runs = inTime(o.rec.schema, c, runs, s.q.Times)
	}
	if len(runs) == 0 {
		return nil
	}
	rows := int64(0)
	for _, part := range o.rec.split(c, runs, recordRows) {
		rec := o.rec.record(c, part)
		list, rows = append(list, rec), rows+rec.NumRows()
	}
	s.src.m.events.WithLabelValues(from).Add(float64(rows))
	return list
}
