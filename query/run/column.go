package run

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// column lays column c of the answer out.
func (q *Query) column(c int, results []*result, order []uint32) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, q.a.schema.Field(c).Type)
	defer b.Release()
	b.Reserve(len(order))
	err := q.fill(b, c, results, order)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", q.a.schema.Field(c).Name, err)
	}
	return b.NewArray(), nil
}

func (q *Query) fill(b array.Builder, c int, results []*result, order []uint32) error {
	g := c - len(q.a.Groups)
	switch {
	case g < 0:
		values, ids := q.values(c), groupIDs(c, results)
		rows := make([]uint32, len(order))
		for i, row := range order {
			rows[i] = ids[row]
		}
		return appendTo(b, &values, rows)
	case g < len(q.a.aggs) && q.a.aggs[g].Func == cube.TopN:
		return q.a.aggs[g].rankings(b.(*array.ListBuilder), q.a, results, order)
	}
	all, err := q.allValues(c, results)
	if err != nil {
		return err
	}
	return appendTo(b, &all, order)
}

// groupIDs returns the ids of a group column in its domain, in the rows of all results; 0, null's, where it is not in the set.
func groupIDs(c int, results []*result) []uint32 {
	if len(results) == 1 && results[0].groups[c] != nil {
		return results[0].groups[c]
	}
	out := make([]uint32, 0, rowsOf(results))
	for _, r := range results {
		if ids := r.groups[c]; ids != nil {
			out = append(out, ids...)
		} else {
			out = append(out, make([]uint32, r.n)...)
		}
	}
	return out
}

// allValues returns the values of column c of the answer, which is no list, in the rows of all results.
func (q *Query) allValues(c int, results []*result) (all stage.Column, err error) {
	for i, r := range results {
		v, err := q.valuesOf(c, r)
		if err != nil {
			return v, err
		}
		if i == 0 {
			all = v
			continue
		}
		n := all.Len()
		all.AppendFrom(&v, 0, v.Len())
		for k := range v.Len() {
			if v.IsNull(k) {
				all.SetNull(n + k)
			}
		}
	}
	return all, nil
}

// valuesOf returns the values of column c of the answer, which is no list.
func (q *Query) valuesOf(c int, r *result) (stage.Column, error) {
	switch n := len(q.a.Groups); {
	case c < n:
		values, ids := q.values(c), groupIDs(c, []*result{r})
		return gather(&values, ids), nil
	case c < n+len(q.a.aggs):
		v, ok := r.known[c]
		if !ok {
			var err error
			if v, err = q.a.aggs[c-n].values(q.a, r); err != nil {
				return v, err
			}
			if r.known == nil {
				r.known = map[int]stage.Column{}
			}
			r.known[c] = v
		}
		if r.at == nil {
			return v, nil
		}
		return gather(&v, r.at), nil
	}
	out := stage.Column{Kind: stage.Int64}
	for range r.n {
		out.AppendInt(int64(r.set))
	}
	return out, nil
}

// gather returns the values of rows of c.
func gather(c *stage.Column, rows []uint32) stage.Column {
	out := stage.Column{Kind: c.Kind}
	if c.Ints != nil && c.Nulls == nil {
		out.Ints = make([]int64, len(rows))
		for k, row := range rows {
			out.Ints[k] = c.Ints[row]
		}
		return out
	}
	for k, row := range rows {
		i := int(row)
		switch c.Kind {
		case stage.Float64:
			out.AppendFloat(c.Floats[i])
		case stage.Bytes, stage.Decimal128:
			out.AppendBytes(c.Bytes(i))
		default:
			out.AppendInt(c.Ints[i])
		}
		if c.IsNull(i) {
			out.SetNull(k)
		}
	}
	return out
}

// values returns what the aggregate is of each state.
func (g *resolved) values(a *Answer, r *result) (stage.Column, error) {
	st := r.states[g.parts[0].state]
	switch g.Func {
	case cube.CountDistinct, cube.CountDistinctExact:
		n, err := cells.CountDistinct(st)
		return stage.Column{Kind: stage.Int64, Ints: n}, err
	case cube.Percentile:
		v, err := cells.Quantile(st, g.Quantile)
		if err != nil {
			return v, err
		}
		return convert(&v, g.typ)
	case cube.Avg:
		sums, counts := r.part(g.parts[0]), r.part(g.parts[1])
		return average(&sums, &counts, scaleOf(a.States[g.parts[0].state].Measure)), nil
	}
	return r.part(g.parts[0]), nil
}

// part reads one column of states.
func (r *result) part(p part) stage.Column {
	return r.states[p.state].Columns(0, r.states[p.state].Len())[p.column]
}

// scaleOf returns how many digits of a measure's sums are behind the point.
func scaleOf(m *cells.Measure) int { return m.Columns()[0].Type.Scale }

// average divides as DuckDB does: in floating point, of decimals by the count times a power of ten.
func average(sums, counts *stage.Column, scale int) stage.Column {
	out := stage.Column{Kind: stage.Float64}
	unit := math.Pow10(scale)
	for i, n := range counts.Ints {
		switch {
		case n == 0 || sums.IsNull(i):
			out.AppendNull()
		case sums.Kind == stage.Float64:
			out.AppendFloat(sums.Floats[i] / float64(n))
		default:
			out.AppendFloat(floatOf(sums.Bytes(i)) / (float64(n) * unit))
		}
	}
	return out
}

// convert rounds floats to the type that a percentile is asked for in.
func convert(c *stage.Column, t arrow.DataType) (stage.Column, error) {
	unit := 1.0
	switch t := t.(type) {
	case *arrow.Float64Type:
		return *c, nil
	case *arrow.Decimal128Type:
		unit = math.Pow10(int(t.Scale))
	}
	out := stage.Column{Kind: stage.Int64}
	for i := range c.Len() {
		if c.IsNull(i) {
			out.AppendNull()
			continue
		}
		v := math.Round(c.Floats[i] * unit)
		if v < math.MinInt64 || v >= math.MaxInt64 {
			return out, fmt.Errorf("the percentile %v does not fit %s", c.Floats[i], t)
		}
		out.AppendInt(int64(v))
	}
	return out, nil
}

// rankings appends the lists of a top_n.
func (g *resolved) rankings(b *array.ListBuilder, a *Answer, results []*result, order []uint32) error {
	m := a.States[g.parts[0].state].Measure
	n := g.N
	if n == 0 {
		n = m.N
	}
	var tops []*cells.Ranking
	for _, r := range results {
		top, err := m.Ranked(r.states[g.parts[0].state], n)
		if err != nil {
			return err
		}
		tops = append(tops, top)
	}
	starts := startsOfResults(results)
	for _, row := range order {
		k := starts.of(row)
		i, from := int(row-starts[k]), 0
		if at := results[k].at; at != nil {
			i = int(at[i])
		}
		if i > 0 {
			from = tops[k].Ends[i-1]
		}
		to := tops[k].Ends[i]
		if b.Append(to > from); to > from { // of no events null, as any aggregate but a count
			if err := appendRanked(b.ValueBuilder(), tops[k], from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendRanked(b array.Builder, top *cells.Ranking, from, to int) error {
	rows := iota32(to)[from:]
	sb, ok := b.(*array.StructBuilder)
	if !ok {
		return appendTo(b, &top.Values[0], rows)
	}
	for range rows {
		sb.Append(true)
	}
	for k := range top.Values {
		if err := appendTo(sb.FieldBuilder(k), &top.Values[k], rows); err != nil {
			return err
		}
	}
	return nil
}
