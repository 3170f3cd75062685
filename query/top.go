package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// isTop reports whether a need has the largest groups from a top_n measure, which ranks them without a dimension.
func isTop(n *plan.Need) bool { return len(n.Sources) == 1 && n.Sources[0].Kind == plan.FromTop }

// exactFirst leaves out the ways by a top_n where another cube has the groups themselves.
func exactFirst(ways []*way) []*way {
	top := func(w *way) bool { return isTop(w.needs[0]) }
	if exact := slices.DeleteFunc(slices.Clone(ways), top); len(exact) > 0 {
		return exact
	}
	return ways
}

// sameTop reports whether the measures of two needs rank the same: a segment of another version may have another one.
func sameTop(a, b *plan.Need) bool {
	if !isTop(a) && !isTop(b) {
		return true
	}
	if !isTop(a) || !isTop(b) {
		return false
	}
	x, y := ranking(a), ranking(b)
	return x.Column == y.Column && x.N == y.N && slices.Equal(x.By, y.By)
}

func ranking(n *plan.Need) *cells.Measure { return &n.Layout.Measures[n.Sources[0].Measure] }

// finishTop takes the answer of a top_n, and says how far off it may be.
func (b *blockRun) finishTop(ctx context.Context) error {
	m := ranking(b.way.needs[0])
	var at []int // of each column of the block, its place in what is ranked
	for i := range b.p.b.Groups {
		name, _ := plainColumn(b.p.b.Groups[i].Expr)
		at = append(at, slices.Index(m.By, name))
	}
	at = append(at, len(m.By))
	fields := make([]arrow.Field, len(at))
	for i, k := range at {
		fields[k] = b.p.schema.Field(i)
	}
	top, err := b.q.Top(ctx, int(b.p.b.Top.N), arrow.NewSchema(fields, nil))
	if err != nil {
		return err
	}
	defer top.Record.Release()
	columns := make([]arrow.Array, len(at))
	for i, k := range at {
		columns[i] = top.Record.Column(k)
	}
	note := "the largest groups are those of measure " + m.Name
	switch {
	case top.Floor == "" && top.Error == "":
		note += ", which are exact: it has dropped none"
	default:
		note += fmt.Sprintf(", approximately: a number may be too large by %s, and groups of up to %s may be missing", orZero(top.Error), orZero(top.Floor))
	}
	b.report.Notes = append(b.report.Notes, note)
	st := b.q.Stats().Plus(b.looked)
	b.report.Batches, b.report.Cells, b.report.Rows = st.Batches, st.Cells, top.Record.NumRows()
	b.result = []arrow.Record{array.NewRecord(b.p.schema, columns, top.Record.NumRows())}
	return nil
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}
