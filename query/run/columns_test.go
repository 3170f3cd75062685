package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unique"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// counting is a Reader that counts what is asked of it.
type counting struct {
	Reader
	reads, columns atomic.Int64
	hold           func(ctx context.Context) error // before each Read; nil: nothing
}

func (c *counting) Read(ctx context.Context, g cuboid.RowGroup, dims uint64, measures []int) (*cuboid.Rows, error) {
	c.reads.Add(1)
	for m := dims; m != 0; m &= m - 1 {
		c.columns.Add(1)
	}
	c.columns.Add(int64(len(measures)))
	if c.hold != nil {
		if err := c.hold(ctx); err != nil {
			return nil, err
		}
	}
	return c.Reader.Read(ctx, g, dims, measures)
}

// stored writes the cells of a cuboid as row groups of up to rows rows each.
func stored(t testing.TB, name string, l *cells.Layout, c *cells.Cells, rows int) (*Object, *counting) {
	t.Helper()
	st := new(blob.Mem)
	w, err := cuboid.NewWriter(st, name, l, cuboid.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < max(c.Len(), 1); from += rows {
		g, err := enc.Encode(cells.Part{Cells: c, From: from, To: min(from+rows, c.Len())})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	files, entries, err := w.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rd, err := cuboid.NewReader(st, l, files, entries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rd.Close(); err != nil {
			t.Error(err)
		}
	})
	of := &counting{Reader: rd}
	return &Object{unique.Make(name), l, of}, of
}

// counter reads a counter of the runner, of a state where it has states.
func counter(t testing.TB, run *Runner, name, state string) float64 {
	t.Helper()
	families, err := run.o.Registry.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidemark_query_run_"+name && (state == "" || m.GetLabel()[0].GetValue() == state) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no counter %s", name)
	return 0
}

// TestStoredCuboidsAgainstTheEvents reads cuboid files of small row groups with and without a cache that is too small for them, with
// pruning, and holds the answers against the slow model (N1, N3).
func TestStoredCuboidsAgainstTheEvents(t *testing.T) {
	measures := slices.DeleteFunc(testMeasures(), func(m cube.Measure) bool { return m.Function == cube.CountDistinctExact })
	l := layoutOf(t, columnNames(), append(measures, cube.Measure{Function: cube.CountDistinctExact, Column: "num"}))
	runners := []*Runner{newRunner(t, Options{}), newRunner(t, Options{NoColumns: true, Loads: 1}), newRunner(t, Options{ColumnBytes: minCacheBytes, Threads: 3})}
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		events := drawEvents(r, 80)
		q := drawQuestion(r, t)
		a := q.answer(t, l)
		p := q.program(t, a, l)
		mask := p.Dims() | rapid.Uint64Range(0, l.Base()).Draw(r, "more dimensions")
		o, _ := stored(t, fmt.Sprintf("object-%d", n), l, cellsOf(t, l, mask, events, 0), rapid.SampledFrom([]int{1, 7, 1000}).Draw(r, "rows"))
		run := rapid.SampledFrom(runners).Draw(r, "runner")
		want := q.slow(events)
		for range 2 { // cold, then warm
			inputs, err := run.Inputs(t.Context(), o, mask, p)
			if err != nil {
				r.Fatal(err)
			}
			got := answerOf(r, run, a, inputs, false)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				r.Fatalf("got rows\n%q, want\n%q", got, want)
			}
		}
	})
}

// countQuestion counts by name where num is at least a number.
func countProgram(t testing.TB, l *cells.Layout, least int64) *Program {
	t.Helper()
	a, err := NewAnswer(Answer{
		Groups:     []GroupColumn{{"name", TypeOf(cube.Type{Kind: cube.String}), "name"}},
		States:     []State{{Measure: &l.Measures[0]}},
		Aggregates: []Aggregate{{Name: "n", Func: cube.Count, States: []int{0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dim := dimOf(l)
	p, err := NewProgram(Program{
		Answer: a, Layout: l, Groups: []Group{{Dim: dim(nameAt)}}, Measures: []int{0},
		Where: &Cond{Leaf: Range(dim(numAt), &Edge{Value: literal(numAt, least)}, nil)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func numbered(n int) (out []event) {
	for i := range n {
		out = append(out, event{int64(0), nil, nil, int64(i), 0.5, int64(1), nil, fmt.Sprint("n", i%5)})
	}
	return out
}

func total(t testing.TB, run *Runner, p *Program, inputs []Input) (sum int64) {
	t.Helper()
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Fold(t.Context(), inputs); err != nil {
		t.Fatal(err)
	}
	rec, err := q.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	c, err := FromArrow(rec.Column(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range c.Ints {
		sum += v
	}
	return sum
}

// TestRowGroupsArePruned reads no row group whose bounds rule it out, and a column only once.
func TestRowGroupsArePruned(t *testing.T) {
	l := layoutOf(t, []string{"num", "name", "flag"}, testMeasures())
	o, rd := stored(t, "o", l, cellsOf(t, l, l.Base(), numbered(100), 0), 10)
	run := newRunner(t, Options{})
	p := countProgram(t, l, 65)
	for round, want := range []int64{4, 0} {
		rd.reads.Store(0)
		inputs, err := run.Inputs(t.Context(), o, l.Base(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got := total(t, run, p, inputs); len(inputs) != 4 || got != 35 || rd.reads.Load() != want {
			t.Errorf("round %d: %d row groups, %d events, %d reads; want 4, 35, %d", round, len(inputs), got, rd.reads.Load(), want)
		}
	}
	if got := rd.columns.Load(); got != 4*3 {
		t.Errorf("%d columns were read, want 3 of 4 row groups", got)
	}
	if got := counter(t, run, "row_groups_total", "pruned"); got != 12 {
		t.Errorf("%v row groups pruned, want 12", got)
	}
	wide := countProgram(t, l, 0)
	inputs, err := run.Inputs(t.Context(), o, l.Base(), wide)
	if err != nil {
		t.Fatal(err)
	}
	if got := total(t, run, wide, inputs); got != 100 || rd.columns.Load() != 10*3 {
		t.Errorf("%d events, %d columns read; want 100 and 30", got, rd.columns.Load())
	}
}

// TestColumnsAreReadOnce has many queries ask for a row group that is being read: one of them reads it. If that one is cancelled
// another one does.
func TestColumnsAreReadOnce(t *testing.T) {
	l := layoutOf(t, []string{"num", "name", "flag"}, testMeasures())
	o, rd := stored(t, "o", l, cellsOf(t, l, l.Base(), numbered(50), 0), 1000)
	run := newRunner(t, Options{})
	p := countProgram(t, l, 0)
	reading, cancelled := make(chan struct{}), make(chan struct{})
	var once sync.Once
	rd.hold = func(ctx context.Context) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(reading)
			<-ctx.Done()
			close(cancelled)
			return ctx.Err()
		}
		<-cancelled
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		inputs, err := run.Inputs(ctx, o, l.Base(), p)
		if err == nil {
			_, err = inputs[0].Load(ctx)
		}
		first <- err
	}()
	<-reading
	var others sync.WaitGroup
	for range 8 {
		inputs, err := run.Inputs(t.Context(), o, l.Base(), p)
		if err != nil {
			t.Fatal(err)
		}
		others.Go(func() {
			if got := total(t, run, p, inputs); got != 50 {
				t.Errorf("got %d events, want 50", got)
			}
		})
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first one got %v, want %v", err, context.Canceled)
	}
	others.Wait()
	if got := rd.reads.Load(); got != 2 {
		t.Errorf("%d reads, want that of the one who was cancelled and one more", got)
	}
}

// TestColumnLimit keeps no more bytes than it may, and answers all the same.
func TestColumnLimit(t *testing.T) {
	l := layoutOf(t, []string{"num", "name", "flag"}, testMeasures())
	run := newRunner(t, Options{ColumnBytes: minCacheBytes})
	p := countProgram(t, l, 0)
	for i := range 40 {
		o, _ := stored(t, fmt.Sprint("o", i), l, cellsOf(t, l, l.Base(), numbered(500), 0), 100)
		inputs, err := run.Inputs(t.Context(), o, l.Base(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got := total(t, run, p, inputs); got != 500 {
			t.Fatalf("object %d: %d events, want 500", i, got)
		}
		if got := run.columns.size(); got > minCacheBytes {
			t.Fatalf("object %d: %d bytes are kept, the limit is %d", i, got, minCacheBytes)
		}
	}
	if counter(t, run, "columns_dropped_total", "") == 0 {
		t.Error("nothing was dropped: the test needs more columns than fit")
	}
}

// TestReadErrorsAreNotKept fails one read: the query fails with it, the next one reads again.
func TestReadErrorsAreNotKept(t *testing.T) {
	l := layoutOf(t, []string{"num", "name", "flag"}, testMeasures())
	o, rd := stored(t, "o", l, cellsOf(t, l, l.Base(), numbered(50), 0), 10)
	run := newRunner(t, Options{})
	p := countProgram(t, l, 0)
	broken := errors.New("the disk is gone")
	fails := atomic.Int64{}
	rd.hold = func(context.Context) error {
		if fails.Add(1) == 3 {
			return broken
		}
		return nil
	}
	inputs, err := run.Inputs(t.Context(), o, l.Base(), p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Fold(t.Context(), inputs); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if inputs, err = run.Inputs(t.Context(), o, l.Base(), p); err != nil {
		t.Fatal(err)
	}
	if got := total(t, run, p, inputs); got != 50 {
		t.Errorf("got %d events, want 50", got)
	}
}
