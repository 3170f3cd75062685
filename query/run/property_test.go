package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

func newRunner(t testing.TB, o Options) *Runner {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testLayouts are of two definitions with the same columns: other row keys and another order of measures.
func testLayouts(t testing.TB) []*cells.Layout {
	back := columnNames()
	slices.Reverse(back)
	measures := testMeasures()
	turned := append(slices.Clone(measures[7:]), measures[:7]...)
	return []*cells.Layout{layoutOf(t, columnNames(), measures), layoutOf(t, back, turned)}
}

// TestAnswersAreThoseOfTheEvents holds random blocks against the slow model, over events that are spread over batches of two
// layouts and any larger cuboid, folded in one go or in two, by any number of threads, by a runner that has seen other blocks (N1,
// N2, N3, N7).
func TestAnswersAreThoseOfTheEvents(t *testing.T) {
	layouts := testLayouts(t)
	runners := []*Runner{
		newRunner(t, Options{Threads: 1}), newRunner(t, Options{Threads: 3}),
		newRunner(t, Options{TableBytes: minCacheBytes, DomainBytes: minCacheBytes}),
	}
	for _, tune := range []tuning{{0, 0, 0, 0, 64}, {1, 1, 3, 2, 4}, {4, 100, 17, 10, 64}} { // hash tables, groups that outgrow their places, axes of their own
		run := newRunner(t, Options{Threads: 2})
		run.tuning = tune
		runners = append(runners, run)
	}
	rapid.Check(t, func(r *rapid.T) {
		events := drawEvents(r, 120)
		q := drawQuestion(r, t)
		a := q.answer(t, layouts[0])
		programs := []*Program{q.program(t, a, layouts[0]), q.program(t, a, layouts[1])}
		var inputs []Input
		for from := 0; from < len(events); {
			to := from + rapid.IntRange(1, len(events)-from).Draw(r, "segment")
			k := rapid.IntRange(0, 1).Draw(r, "layout")
			mask := programs[k].Dims() | rapid.Uint64Range(0, layouts[k].Base()).Draw(r, "more dimensions")
			c := cellsOf(t, layouts[k], mask, events[from:to], int64(from))
			b := CellsBatch(c)
			if rapid.Bool().Draw(r, "as rows") {
				b = NewBatch(rowsOfCells(c))
			}
			inputs = append(inputs, Input{Program: programs[k], Batch: b})
			from = to
		}
		run := rapid.SampledFrom(runners).Draw(r, "runner")
		many := rapid.Bool().Draw(r, "threads in any case")
		got := answerOf(r, run, a, inputs, many)
		slices.Sort(got)
		if want := q.slow(events); !slices.Equal(got, want) {
			r.Fatalf("got rows\n%q, want\n%q, of %d events", got, want, len(events))
		}
	})
}

// answerOf runs a block; many gives every batch to a thread of its own.
func answerOf(r *rapid.T, run *Runner, a *Answer, inputs []Input, many bool) []string {
	query, err := run.Start(a)
	if err != nil {
		r.Fatal(err)
	}
	defer query.Close()
	if many {
		for i, in := range inputs { // as if each had been folded by a thread of its own
			query.parts = append(query.parts, nil)
			w := query.worker(i, int64(in.Batch.Rows()))
			if err := w.fold(context.Background(), in.Program, in.Batch); err != nil {
				r.Fatal(err)
			}
			w.done()
		}
	} else {
		cut := rapid.IntRange(0, len(inputs)).Draw(r, "folds")
		for _, part := range [][]Input{inputs[:cut], inputs[cut:]} {
			if rapid.Bool().Draw(r, "apart") {
				foldApart(r, run, query, part)
			} else if err := query.Fold(context.Background(), part); err != nil {
				r.Fatal(err)
			}
		}
	}
	rec, err := query.Record(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	defer rec.Release()
	return recordRows(r, rec)
}

// foldApart has the query take in what another one has folded, which one more does at the same time.
func foldApart(r *rapid.T, run *Runner, query *Query, inputs []Input) {
	apart := query.Apart()
	defer apart.Close()
	if err := apart.Fold(context.Background(), inputs); err != nil {
		r.Fatal(err)
	}
	f, err := apart.Folded(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	other, err := run.Start(query.a)
	if err != nil {
		r.Fatal(err)
	}
	defer other.Close()
	done := make(chan error, 1)
	go func() {
		if !other.Takes(f) { // little is kept of the values of groups, so that it may be gone
			done <- nil
			return
		}
		done <- other.Take(context.Background(), f)
	}()
	err = query.Take(context.Background(), f)
	if err := errors.Join(err, <-done); err != nil {
		r.Fatal(err)
	}
}

// TestManyQueriesAtOnce runs blocks at the same time over the same batches, by a runner whose caches hold little: each gets its
// own answer.
func TestManyQueriesAtOnce(t *testing.T) {
	l := testLayouts(t)[0]
	run := newRunner(t, Options{Threads: 2, TableBytes: minCacheBytes, DomainBytes: minCacheBytes})
	rapid.Check(t, func(r *rapid.T) {
		events := drawEvents(r, 80)
		var batches []*Batch
		for from := 0; from < len(events); from += 20 {
			batches = append(batches, CellsBatch(cellsOf(t, l, l.Base(), events[from:min(from+20, len(events))], int64(from))))
		}
		questions := make([]*question, 6)
		records, errs := make([]arrow.Record, len(questions)), make([]error, len(questions))
		var all sync.WaitGroup
		for i := range questions {
			q := drawQuestion(r, t)
			questions[i] = q
			a := q.answer(t, l)
			p := q.program(t, a, l)
			all.Go(func() { records[i], errs[i] = runOnce(run, a, p, batches) })
		}
		all.Wait()
		for i, q := range questions {
			if errs[i] != nil {
				r.Fatal(errs[i])
			}
			got, want := recordRows(r, records[i]), q.slow(events)
			records[i].Release()
			if slices.Sort(got); !slices.Equal(got, want) {
				r.Fatalf("question %d: got rows\n%q, want\n%q", i, got, want)
			}
		}
	})
}

// runOnce answers a block over batches.
func runOnce(run *Runner, a *Answer, p *Program, batches []*Batch) (arrow.Record, error) {
	q, err := run.Start(a)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	inputs := make([]Input, len(batches))
	for i, b := range batches {
		inputs[i] = Input{Program: p, Batch: b}
	}
	if err := q.Fold(context.Background(), inputs); err != nil {
		return nil, err
	}
	return q.Record(context.Background())
}
