package query

import (
	"context"
	"iter"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
)

// columnsOf lists the columns of a scan. Rows of which only the number matters have their offset.
func columnsOf(s *plan.Scan) []plan.Column {
	if len(s.Columns) > 0 {
		return s.Columns
	}
	return []plan.Column{{Name: stage.OffsetColumn}}
}

// rawSchema returns the columns of a scan.
func (e *Engine) rawSchema(t *tableDef, s *plan.Scan) (*arrow.Schema, error) {
	base, err := source.Schema(t.schema, baseColumns(s))
	if err != nil {
		return nil, err
	}
	var fields []arrow.Field
	for _, c := range columnsOf(s) {
		at := base.FieldIndices(baseOf(c))[0]
		f := arrow.Field{Name: c.Name, Type: base.Field(at).Type, Nullable: true}
		if c.Lookup != "" {
			f.Type = run.TypeOf(c.Type)
		} else if c.Step != (plan.Step{}) {
			f.Type = arrow.DataType(&arrow.TimestampType{Unit: arrow.Microsecond})
			if c.Type.Kind == cube.Date {
				f.Type = arrow.FixedWidthTypes.Date32
			}
		}
		fields = append(fields, f)
	}
	return arrow.NewSchema(fields, nil), nil
}

// baseOf returns the column of the table from which a column follows.
func baseOf(c plan.Column) string {
	if c.Of != "" {
		return c.Of
	}
	return c.Name
}

func baseColumns(s *plan.Scan) (out []string) {
	for _, c := range columnsOf(s) {
		if name := baseOf(c); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// scanRun is a scan of one statement over a snapshot: the tail is read first and kept.
type scanRun struct {
	x    *execution
	t    *tableRun
	s    *plan.Scan
	base []string
	out  *arrow.Schema
	tail []arrow.Record
}

func (x *execution) newScan(t *tableRun, s *plan.Scan) (*scanRun, error) {
	out, err := x.e.rawSchema(t.def, s)
	if err != nil {
		return nil, err
	}
	return &scanRun{x: x, t: t, s: s, base: baseColumns(s), out: out}, nil
}

func (r *scanRun) query() source.ScanQuery {
	q := source.ScanQuery{Table: r.t.def.schema, Columns: r.base}
	if r.s.Time != plan.Always() {
		q.Times = []source.Span{{Lo: r.s.Time.Lo, Hi: r.s.Time.Hi}}
	}
	return q
}

// readTail keeps the events of the tail (Q2).
func (r *scanRun) readTail(ctx context.Context) error {
	for rec, err := range r.x.e.source.Scan(ctx, r.t.snap.Tail(), r.query()) {
		if err != nil {
			return err
		}
		rec.Retain()
		r.tail = append(r.tail, rec)
		if err := r.x.hold(rec); err != nil {
			return err
		}
	}
	return nil
}

// table hands the events to DuckDB.
func (r *scanRun) table() duck.Table {
	return duck.Table{Name: r.s.Name, Schema: r.out, Rows: r.t.snap.Completeness.Counts.Events, Scan: r.scan}
}

func (r *scanRun) scan(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		if r.s.Time.Empty() {
			return
		}
		give := func(rec arrow.Record) bool {
			out, err := r.record(ctx, rec, columns)
			if err != nil {
				yield(nil, err)
				return false
			}
			defer out.Release()
			return yield(out, nil)
		}
		for _, rec := range r.tail {
			if !give(rec) {
				return
			}
		}
		for rec, err := range r.x.e.source.Scan(ctx, r.t.snap.Staged(), r.query()) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !give(rec) {
				return
			}
		}
	}
}

func (r *scanRun) release() {
	for _, rec := range r.tail {
		rec.Release()
	}
	r.tail = nil
}

// record makes the columns that are asked for of those that were read.
func (r *scanRun) record(ctx context.Context, rec arrow.Record, columns []int) (_ arrow.Record, err error) {
	arrays, fields := make([]arrow.Array, len(columns)), make([]arrow.Field, len(columns))
	for i, at := range columns {
		c := columnsOf(r.s)[at]
		a := rec.Column(slices.Index(r.base, baseOf(c)))
		switch {
		case c.Lookup != "":
			if a, err = r.derived(ctx, a, c); err != nil {
				return nil, err
			}
		case c.Step != (plan.Step{}):
			a = starts(a, c)
		default:
			a.Retain()
		}
		defer a.Release()
		arrays[i], fields[i] = a, r.out.Field(at)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, rec.NumRows()), nil
}

// derived returns what a lookup table has for keys.
func (r *scanRun) derived(ctx context.Context, a arrow.Array, c plan.Column) (arrow.Array, error) {
	keys, err := run.FromArrow(a)
	if err != nil {
		return nil, err
	}
	values, err := r.x.e.lookups.follow(ctx, r.x.p.names.lookups[c.Lookup], c.LookupColumn, keys)
	if err != nil {
		return nil, err
	}
	return run.ToArrow(run.TypeOf(c.Type), values)
}

// starts returns the starts of the spans of a column's step that times lie in.
func starts(a arrow.Array, c plan.Column) arrow.Array {
	days := array.NewDate32Builder(memory.DefaultAllocator)
	defer days.Release()
	times := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond})
	defer times.Release()
	for i := range a.Len() {
		var us int64
		switch a := a.(type) {
		case *array.Timestamp:
			us = int64(a.Value(i))
		case *array.Date32:
			us = int64(a.Value(i)) * usPerDay
		}
		us = c.Step.Start(us)
		switch null, date := a.IsNull(i), c.Type.Kind == cube.Date; {
		case null && date:
			days.AppendNull()
		case null:
			times.AppendNull()
		case date:
			days.Append(arrow.Date32(floorDiv(us, usPerDay)))
		default:
			times.Append(arrow.Timestamp(us))
		}
	}
	if c.Type.Kind == cube.Date {
		return days.NewArray()
	}
	return times.NewArray()
}
