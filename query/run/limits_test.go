package run

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// wide is a batch of rows with a number each, and a program that counts them by number and sums big.
func wideBatch(t testing.TB, rows int, sum func(i int) []byte) (*Program, *Batch) {
	t.Helper()
	l := layoutOf(t, []string{"num"}, []cube.Measure{{Function: cube.Count}, {Function: cube.Sum, Column: "big"}})
	a, err := NewAnswer(Answer{
		Groups:     []GroupColumn{{"num", TypeOf(cube.Type{Kind: cube.Int64}), ""}},
		States:     []State{{Measure: &l.Measures[0]}, {Measure: &l.Measures[1]}},
		Aggregates: []Aggregate{{Name: "n", Func: cube.Count, States: []int{0}}, {Name: "s", Func: cube.Sum, States: []int{1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProgram(Program{Answer: a, Layout: l, Groups: []Group{{}}, Measures: []int{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	d := &cells.Dict{Values: stage.Column{Kind: stage.Int64}}
	out := &cuboid.Rows{N: rows, Dicts: []*cells.Dict{d}, Codes: make([][]uint32, 1)}
	counts, sums := stage.Column{Kind: stage.Int64}, stage.Column{Kind: stage.Decimal128}
	for i := range rows {
		d.Values.AppendInt(int64(i))
		out.Codes[0] = append(out.Codes[0], uint32(i+1))
		counts.AppendInt(1)
		sums.AppendBytes(sum(i))
	}
	for i, c := range []stage.Column{counts, sums} {
		s, err := l.Measures[i].FromColumns([]stage.Column{c})
		if err != nil {
			t.Fatal(err)
		}
		out.States = append(out.States, s)
	}
	return p, NewBatch(out)
}

func small(int) []byte { return make([]byte, 16) }

// TestMemoryLimit refuses a query whose groups need more than it may have, with the limit's name, and gives back what it counted (N4).
func TestMemoryLimit(t *testing.T) {
	defer goleak.VerifyNone(t)
	p, b := wideBatch(t, 60_000, small)
	for _, direct := range []int64{0, 1 << 20} {
		run := newRunner(t, Options{MemoryBytes: minMemoryBytes})
		run.tuning.directIDs = direct
		q, err := run.Start(p.Answer)
		if err != nil {
			t.Fatal(err)
		}
		err = q.Fold(t.Context(), []Input{{Program: p, Batch: b}})
		var full *MemoryError
		if !errors.As(err, &full) || !strings.Contains(err.Error(), "query.memory") {
			t.Errorf("got %v, want a MemoryError that names query.memory", err)
		}
		q.Close()
	}
}

// TestLoadedBatchesCount has a batch that no cache holds count while it is there, and no longer.
func TestLoadedBatchesCount(t *testing.T) {
	p, b := wideBatch(t, 4000, small)
	run := newRunner(t, Options{MemoryBytes: minMemoryBytes, Loads: 1, Threads: 1})
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var inputs []Input
	for range 100 { // far more than the limit together
		inputs = append(inputs, Input{Program: p, Rows: 4000, Load: func(context.Context) (*Batch, error) { return b, nil }})
	}
	if err := q.Fold(t.Context(), inputs); err != nil {
		t.Fatal(err)
	}
	if got := q.Stats(); got.Batches != 100 || got.Cells != 400_000 {
		t.Errorf("got %+v, want 100 batches of 4000 cells", got)
	}
}

// TestOverflowNamesTheMeasure sums beyond 38 digits.
func TestOverflowNamesTheMeasure(t *testing.T) {
	most := []byte{0x4B, 0x3B, 0x4C, 0xA8, 0x5A, 0x86, 0xC4, 0x7A, 0x09, 0x8A, 0x22, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF}
	p, b := wideBatch(t, 2, func(int) []byte { return most })
	run := newRunner(t, Options{})
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	err = q.Fold(t.Context(), []Input{{Program: p, Batch: b}, {Program: p, Batch: b}})
	var over *cells.OverflowError
	if !errors.As(err, &over) || over.Measure != "sum_big" {
		t.Errorf("got %v, want an overflow of sum_big", err)
	}
}

// TestCancel ends a query that is under way, whether it folds or waits for a batch, and leaves no goroutine behind (N5).
func TestCancel(t *testing.T) {
	defer goleak.VerifyNone(t)
	p, b := wideBatch(t, 4000, small)
	run := newRunner(t, Options{Threads: 2})
	for name, load := range map[string]func(cancel func()) func(context.Context) (*Batch, error){
		"while it folds": func(cancel func()) func(context.Context) (*Batch, error) {
			return func(context.Context) (*Batch, error) {
				cancel()
				return b, nil
			}
		},
		"while it waits": func(cancel func()) func(context.Context) (*Batch, error) {
			return func(ctx context.Context) (*Batch, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		q, err := run.Start(p.Answer)
		if err != nil {
			t.Fatal(err)
		}
		var inputs []Input
		for range 50 {
			inputs = append(inputs, Input{Program: p, Rows: 100_000, Load: load(cancel)})
		}
		if err := q.Fold(ctx, inputs); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
		if _, err := q.Record(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: an answer, or %v", name, err)
		}
		q.Close()
		cancel()
	}
}

// TestWhatDoesNotFit names what a program asks for and a layout or a batch has not.
func TestWhatDoesNotFit(t *testing.T) {
	p, b := wideBatch(t, 3, small)
	other := layoutOf(t, []string{"num"}, []cube.Measure{{Function: cube.Count}, {Function: cube.Sum, Column: "num"}})
	for want, bad := range map[string]Program{
		"1 groups, the answer":       {Answer: p.Answer, Layout: p.Layout, Groups: []Group{{}, {}}, Measures: []int{0, 1}},
		"there is no dimension 7":    {Answer: p.Answer, Layout: p.Layout, Groups: []Group{{Dim: 7}}, Measures: []int{0, 1}},
		"there is no measure 2":      {Answer: p.Answer, Layout: p.Layout, Groups: []Group{{}}, Measures: []int{0, 2}},
		"does not fold into":         {Answer: p.Answer, Layout: other, Groups: []Group{{}}, Measures: []int{0, 1}},
		"there is no dimension -1":   {Answer: p.Answer, Layout: p.Layout, Groups: []Group{{}}, Measures: []int{0, 1}, Where: &Cond{Leaf: IsNull(-1)}},
		"group num is int64, dimens": {Answer: p.Answer, Layout: layoutOf(t, []string{"name"}, []cube.Measure{{Function: cube.Count}, {Function: cube.Sum, Column: "big"}}), Groups: []Group{{}}, Measures: []int{0, 1}},
	} {
		if want == "1 groups, the answer" {
			want = "2 groups, the answer has 1"
		}
		if _, err := NewProgram(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	run := newRunner(t, Options{})
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	lacks := &Batch{n: b.n, dims: b.dims, states: []cells.States{b.states[0], nil}}
	if err := q.Fold(t.Context(), []Input{{Program: p, Batch: lacks}}); err == nil || !strings.Contains(err.Error(), "without measure sum_big") {
		t.Errorf("got %v, want the measure that is missing", err)
	}
	_, err = NewAnswer(Answer{
		States:     p.Answer.States,
		Aggregates: []Aggregate{{Name: "x", Func: cube.Max, States: []int{1}}, {Name: "y", Func: cube.Count, States: []int{9}}},
		Order:      []Order{{Column: 4}},
	})
	for _, want := range []string{"aggregate x: measure sum_big is a sum", "aggregate y: there is no state 9", "there is no column 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// TestTypesAreDuckDBs lists the types of the answer's columns.
func TestTypesAreDuckDBs(t *testing.T) {
	l := layoutOf(t, columnNames(), testMeasures())
	a := Answer{}
	want := map[string]string{
		"count": "int64", "sum_num": "decimal(38, 0)", "sum_float": "float64", "sum_price": "decimal(38, 2)", "sum_big": "decimal(38, 3)", "avg_num": "float64",
		"min_ts": "timestamp[us]", "max_name": "utf8", "min_big": "decimal(38, 3)", "max_float": "float64", "min_flag": "bool", "max_day": "date32",
		"count_distinct_name": "int64", "percentile_float": "float64", "first_name": "utf8", "last_num": "int64", "top": "list<item: utf8, nullable>",
	}
	for i := range l.Measures {
		m := &l.Measures[i]
		a.States = append(a.States, State{Measure: m})
		a.Aggregates = append(a.Aggregates, Aggregate{Name: m.Name, Func: m.Function, States: []int{i}})
	}
	out, err := NewAnswer(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Schema().Fields() {
		if w := want[f.Name]; w != "" && f.Type.String() != w {
			t.Errorf("%s is %s, want %s", f.Name, f.Type, w)
		}
	}
}

// TestNothing answers from no batch at all, and from an empty one: a query without groups has one row.
func TestNothing(t *testing.T) {
	l := layoutOf(t, []string{"num"}, testMeasures())
	grouped := &question{groups: []grouping{{column: numAt, typ: TypeOf(cube.Type{Kind: cube.Int64})}}, aggs: allAggregates()[:4], filters: make([]condition, 4)}
	plain := &question{aggs: allAggregates()[:4], filters: make([]condition, 4)}
	run := newRunner(t, Options{})
	for q, want := range map[*question][]string{grouped: nil, plain: {"0|0|0|null|"}} {
		a := q.answer(t, l)
		p := q.program(t, a, l)
		for _, inputs := range [][]Input{nil, {{Program: p, Batch: CellsBatch(cellsOf(t, l, l.Base(), nil, 0))}}} {
			query, err := run.Start(a)
			if err != nil {
				t.Fatal(err)
			}
			if err := query.Fold(t.Context(), inputs); err != nil {
				t.Fatal(err)
			}
			rec, err := query.Record(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := recordRows(t, rec); len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("%d groups: got %q, want %q", len(q.groups), got, want)
			}
			rec.Release()
			query.Close()
		}
	}
}

// TestManyRows folds more rows than a piece has, with filters, so that pieces meet: a sum of numbers that are known.
func TestManyRows(t *testing.T) {
	const rows = 3*morsel + 17
	p, b := wideBatch(t, rows, func(i int) []byte { return []byte{14: byte(i >> 8), 15: byte(i)} })
	for low := range 3 {
		from := low * (morsel - 1)
		q := *p
		q.Where = &Cond{Leaf: Range(0, &Edge{Value: literal(numAt, int64(from))}, nil)}
		program, err := NewProgram(q)
		if err != nil {
			t.Fatal(err)
		}
		run := newRunner(t, Options{})
		if got := total(t, run, program, []Input{{Program: program, Batch: b}}); got != int64(rows-from) {
			t.Errorf("from %d: %d rows, want %d", from, got, rows-from)
		}
	}
	if got := math.Abs(float64(b.MemBytes()) / rows); got < 30 || got > 200 {
		t.Errorf("a batch says that it takes %v bytes a row", got)
	}
}

// TestGroupingSetsCount has the states of each grouping set count as memory (N4).
func TestGroupingSetsCount(t *testing.T) {
	p, b := wideBatch(t, 6_000, small)
	a := *p.Answer
	for range 64 {
		a.Sets = append(a.Sets, []int{0})
	}
	a.SetName = "set"
	answer, err := NewAnswer(a)
	if err != nil {
		t.Fatal(err)
	}
	of := *p
	of.Answer = answer
	if p, err = NewProgram(of); err != nil {
		t.Fatal(err)
	}
	q, err := newRunner(t, Options{MemoryBytes: 4 * minMemoryBytes}).Start(answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Fold(t.Context(), []Input{{Program: p, Batch: b}}); err != nil {
		t.Fatal(err)
	}
	var full *MemoryError
	if rec, err := q.Record(t.Context()); !errors.As(err, &full) {
		t.Errorf("got %v and %v, want a MemoryError of 64 sets of 6,000 groups", rec, err)
	}
}

// TestWhatIsChosenCounts has the rows of an answer count as memory, and of those that are chosen of many groups their ids and states (N4).
func TestWhatIsChosenCounts(t *testing.T) {
	const groups, columns, state = 60_000, 3, 8 + 8
	p, b := wideBatch(t, groups, small)
	limit := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		limit *int64
		rows  int
		want  int64 // bytes at least
	}{
		{nil, groups, groups * columns * 8},
		{limit(groups / 2), groups / 2, groups / 2 * (columns*8 + 4)},
		{limit(groups / 6), groups / 6, groups / 6 * (columns*8 + 4 + state)},
	} {
		a := *p.Answer
		a.Limit = c.limit
		answer, err := NewAnswer(a)
		if err != nil {
			t.Fatal(err)
		}
		of := *p
		of.Answer = answer
		program, err := NewProgram(of)
		if err != nil {
			t.Fatal(err)
		}
		r := newRunner(t, Options{Threads: 1})
		for _, tight := range []bool{false, true} {
			q, err := r.Start(answer)
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Fold(t.Context(), []Input{{Program: program, Batch: b}}); err != nil {
				t.Fatal(err)
			}
			before := q.mem.bytes.Load()
			if tight {
				q.mem.limit = before + c.want - 1
			}
			rec, err := q.Record(t.Context())
			var full *MemoryError
			switch took := q.mem.bytes.Load() - before; {
			case tight && !errors.As(err, &full):
				t.Errorf("%d rows of %d groups with %d bytes left: %v, want a MemoryError", c.rows, groups, c.want-1, err)
			case !tight && (err != nil || rec.NumRows() != int64(c.rows) || took < c.want || took > 3*c.want):
				t.Errorf("%d rows of %d groups count %d bytes, %v: want about %d", c.rows, groups, took, err, c.want)
			}
			if rec != nil {
				rec.Release()
			}
			q.Close()
		}
	}
}
