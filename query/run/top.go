package run

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Top is what a top_n ranks, as rows.
type Top struct {
	Record arrow.Record // what is ranked, in the order of the measure, then the sum; whoever has it releases it
	Error  string       // by how much a sum may be too large at most; "": all sums are exact
	Floor  string       // the largest sum that a value may have which is not kept; "": all are kept
}

// Top returns the n largest values of a query without groups whose only aggregate is a top_n, with columns of a schema.
func (q *Query) Top(ctx context.Context, n int, schema *arrow.Schema) (*Top, error) {
	if len(q.a.Groups) > 0 || len(q.a.aggs) != 1 {
		return nil, fmt.Errorf("a top_n of %d groups and %d aggregates, want none and 1", len(q.a.Groups), len(q.a.aggs))
	}
	s := q.r.getScratch()
	defer q.r.scratch.Put(s)
	all, err := q.merge(ctx, s)
	if err != nil {
		return nil, err
	}
	state := q.a.aggs[0].parts[0].state
	ranking, err := q.a.States[state].Measure.Ranked(all.states[state], n)
	if err != nil {
		return nil, err
	}
	from, to := 0, 0
	var floor stage.Column
	if all.n > 0 { // of nothing there may be no state
		at := 0
		if all.at != nil {
			at = int(all.at[0])
		}
		if at > 0 {
			from = ranking.Ends[at-1]
		}
		to = ranking.Ends[at]
		floor = *slice(&ranking.Floors, at, at+1)
	}
	return topOf(ranking, from, to, &floor, schema)
}

func slice(c *stage.Column, from, to int) *stage.Column {
	out := &stage.Column{Kind: c.Kind}
	out.AppendFrom(c, from, to)
	return out
}

func topOf(r *cells.Ranking, from, to int, floor *stage.Column, schema *arrow.Schema) (*Top, error) {
	columns := append([]stage.Column{}, r.Values...)
	columns = append(columns, r.Sums)
	if len(columns) != len(schema.Fields()) {
		return nil, fmt.Errorf("a top_n of %d columns, want %d", len(columns), len(schema.Fields()))
	}
	arrays := make([]arrow.Array, len(columns))
	for i := range columns {
		b := array.NewBuilder(memory.DefaultAllocator, schema.Field(i).Type)
		defer b.Release()
		c := &columns[i]
		if schema.Field(i).Type.ID() == arrow.INT64 && c.Kind == stage.Decimal128 {
			c = words(c)
		}
		if err := appendTo(b, c, iota32(to)[from:]); err != nil {
			return nil, err
		}
		arrays[i] = b.NewArray()
		defer arrays[i].Release()
	}
	out := &Top{Record: array.NewRecord(schema, arrays, int64(to-from))}
	out.Error = largest(slice(&r.Errors, from, to))
	out.Floor = largest(floor)
	return out, nil
}

// words returns sums that fit an int64, as counts do.
func words(c *stage.Column) *stage.Column {
	out := &stage.Column{Kind: stage.Int64}
	for i := range c.Len() {
		out.AppendInt(int64(binary.BigEndian.Uint64(c.Bytes(i)[8:])))
	}
	return out
}

// largest writes the largest of numbers that are not below 0; "" if that is 0.
func largest(c *stage.Column) string {
	most, text := 0.0, ""
	for i := range c.Len() {
		v := 0.0
		if c.Kind == stage.Float64 {
			v = c.Float(i)
		} else {
			v = floatOf(c.Bytes(i))
		}
		if v > most {
			most, text = v, fmt.Sprintf("%.15g", v)
		}
	}
	return text
}
