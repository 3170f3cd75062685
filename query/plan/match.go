package plan

import (
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// kept lists the measures of its column that an aggregate may come from, the best first, and what of their states it is.
// Those of sketches answer exact functions only where that is allowed.
func (f AggFunc) kept(approximate bool) (out []origin) {
	switch f {
	case Count:
		out = origins(FromCount, cube.Count, cube.Avg)
	case Sum:
		out = origins(FromSum, cube.Sum, cube.Avg)
	case Avg:
		out = origins(FromAvg, cube.Avg) // or of sum and count
	case Min:
		out = origins(FromValue, cube.Min)
	case Max:
		out = origins(FromValue, cube.Max)
	case Any:
		out = origins(FromValue, cube.Min, cube.Max, cube.First, cube.Last)
	case First:
		out = origins(FromValue, cube.First)
	case Last:
		out = origins(FromValue, cube.Last)
	case CountDistinct:
		out = origins(FromExact, cube.CountDistinctExact)
		if approximate {
			out = append(out, origins(FromSketch, cube.CountDistinct)...)
		}
	case ApproxDistinct:
		out = append(origins(FromSketch, cube.CountDistinct), origins(FromExact, cube.CountDistinctExact)...)
	case ApproxQuantile:
		out = origins(FromDigest, cube.Percentile)
	case Quantile, QuantileDisc:
		if approximate {
			out = origins(FromDigest, cube.Percentile)
		}
	}
	return out
}

// origin is a measure's function and what of its states is taken.
type origin struct {
	kind SourceKind
	of   cube.Function
}

func origins(kind SourceKind, of ...cube.Function) (out []origin) {
	for _, f := range of {
		out = append(out, origin{kind, f})
	}
	return out
}

// keyed reports whether an aggregate of a column comes from grouping by the column: no cube has a measure for it, and one
// has the column as a dimension. Without cubes nothing is.
func (r *Relation) keyed(f AggFunc, column string, approximate bool) bool {
	col, _ := r.column(column)
	if col.Of != col.Name || !col.Step.whole() || col.Lookup != "" {
		return len(r.Cubes) > 0 // it follows from a dimension
	}
	dimension := false
	for _, c := range r.Cubes {
		has := func(fn cube.Function) bool {
			return slices.ContainsFunc(c.Measures, func(m cube.Measure) bool { return m.Function == fn && m.Column == column })
		}
		if slices.ContainsFunc(f.kept(approximate), func(k origin) bool { return has(k.of) }) || f == Avg && has(cube.Sum) && has(cube.Count) {
			return false
		}
		dimension = dimension || slices.ContainsFunc(c.Dimensions, func(d cube.Dimension) bool { return d.Column == column && d.Grain == "" })
	}
	return dimension
}

// sources finds a measure for each aggregate.
func (m *matcher) sources() {
	if m.fromTop() {
		return
	}
	for i := range m.b.Aggs {
		a := &m.b.Aggs[i]
		s, ok := m.source(a)
		if !ok {
			lack(&m.lacks.Measures, a.String())
		}
		m.from = append(m.from, s)
	}
}

func (m *matcher) source(a *Agg) (Source, bool) {
	if a.Func == CountAll {
		at := m.measure(cube.Count, "")
		return Source{FromCount, at, -1}, at >= 0
	}
	for _, k := range a.Func.kept(m.approximate) {
		at := m.measure(k.of, a.Column)
		if at < 0 {
			continue
		}
		switch exact := a.Func == CountDistinct || a.Func == Quantile || a.Func == QuantileDisc; {
		case k.kind == FromAvg:
			return Source{FromAvg, at, at}, true
		case exact && (k.kind == FromSketch || k.kind == FromDigest):
			m.approx = append(m.approx, fmt.Sprintf("%s by the sketches of %s", a, m.layout.Measures[at].Name))
		}
		return Source{k.kind, at, -1}, true
	}
	sum, count := m.measure(cube.Sum, a.Column), m.measure(cube.Count, a.Column)
	return Source{FromAvg, sum, count}, a.Func == Avg && sum >= 0 && count >= 0
}

// measure returns the index of a measure, -1 if there is none. A change of the column's type makes it another one.
func (m *matcher) measure(f cube.Function, column string) int {
	return slices.IndexFunc(m.layout.Measures, func(x cells.Measure) bool {
		return x.Function == f && x.Column == column && m.sameType(&x)
	})
}

// sameType reports whether a measure's values have the type that the table's column gives them now.
func (m *matcher) sameType(x *cells.Measure) bool {
	switch x.Function {
	case cube.Sum, cube.Min, cube.Max, cube.First, cube.Last:
		want, err := x.Result(m.b.Relation.Table)
		got := x.Columns()[0].Type
		return err == nil && got.Kind == want.Kind && got.Scale == want.Scale
	}
	return true
}

// fromTop takes a top_n measure where nothing else ranks the groups: ORDER BY the aggregate DESC LIMIT n.
func (m *matcher) fromTop() bool {
	b := m.b
	if b.Top == nil || !m.approximate || len(b.Aggs) != 1 || b.Sets != nil || b.Aggs[0].Filter != nil || len(b.Groups) == 0 {
		return false
	}
	a := b.Aggs[0]
	if a.Func != Sum && a.Func != CountAll {
		return false
	}
	var by []string
	dims := true
	for i := range b.Groups {
		name, ok := b.Groups[i].column()
		if !ok {
			return false
		}
		by = append(by, name)
		dims = dims && slices.ContainsFunc(m.layout.Dims, func(d cells.Dim) bool { return d.Column == name && d.Grain == "" })
	}
	slices.Sort(by)
	at := slices.IndexFunc(m.layout.Measures, func(x cells.Measure) bool {
		ranked := slices.Sorted(slices.Values(x.By))
		return x.Function == cube.TopN && x.Column == a.Column && slices.Equal(ranked, by) && int64(x.N) >= b.Top.N
	})
	if at < 0 || dims {
		return false
	}
	m.from = []Source{{FromTop, at, -1}}
	m.approx = append(m.approx, fmt.Sprintf("the largest groups by %s", m.layout.Measures[at].Name))
	return true
}
