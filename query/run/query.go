package run

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Query is one block under way: Start, any number of Folds, one after the other, then Record, and Close in any case.
type Query struct {
	r     *Runner
	a     *Answer
	axes  []*axis
	parts []*partial // of each thread
	mem   *budget
	apart int64 // bytes of mem that are not this query's
	stats Stats

	likely  []int // sizes that axes are likely to come to, as it is known at first
	counted int   // the state that counts all events of a group, so that it is above 0 where a row was met; none: -1
}

// Stats say what a query has looked at.
type Stats struct {
	Batches int64
	Cells   int64 // rows of them
}

// Plus returns what both have looked at.
func (s Stats) Plus(o Stats) Stats { return Stats{s.Batches + o.Batches, s.Cells + o.Cells} }

// Input is a batch for a query, or how to come by it.
type Input struct {
	Program *Program
	Batch   *Batch // nil: Load says
	Rows    int    // of the batch, or about as many
	Load    func(ctx context.Context) (*Batch, error)
}

// MemoryError says that a query needs more memory than a query may have (N4).
type MemoryError struct {
	Limit int64 // MemoryBytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("the query needs more than the %d bytes that one query may have: filter more, group by columns of fewer values, or raise query.memory", e.Limit)
}

// budget counts the bytes of a query.
type budget struct {
	limit int64
	bytes atomic.Int64
}

func (b *budget) add(n int64) error {
	if b.bytes.Add(n) > b.limit {
		return &MemoryError{b.limit}
	}
	return nil
}

// Apart begins a query of the same answer within the memory of this one, which folds nothing meanwhile. They share their domains, which
// others may have been told to forget.
func (q *Query) Apart() *Query {
	of := &Query{r: q.r, a: q.a, mem: q.mem, apart: q.mem.bytes.Load(), counted: q.counted}
	for _, x := range q.axes {
		of.axes = append(of.axes, &axis{dom: x.dom})
	}
	return of
}

// Undo has the query's memory forget all that a query apart has come to, which is of no use from then on.
func (q *Query) Undo() { q.mem.bytes.Store(q.apart) }

// Start begins a query.
func (r *Runner) Start(a *Answer) (*Query, error) {
	if a.schema == nil {
		return nil, fmt.Errorf("an answer that NewAnswer has not seen")
	}
	q := &Query{r: r, a: a, mem: &budget{limit: r.o.MemoryBytes}, counted: slices.IndexFunc(a.States, State.countsAll)}
	for i := range a.Groups {
		g := &a.Groups[i]
		k, err := KindOf(g.Type)
		if err != nil {
			return nil, err
		}
		dom := newDomain(k)
		if g.Key != "" {
			dom = r.domains.get(fmt.Sprintf("%d %s", k, g.Key), dom)
		}
		q.axes = append(q.axes, &axis{dom: dom})
	}
	return q, nil
}

// minShare is from how many rows on another thread is worth its start.
const minShare = 1 << 16

// Fold takes in batches. The error is the first of a Load, a *MemoryError, a *cells.OverflowError with the name of the
// measure, or the context's; after it the query is of no use.
func (q *Query) Fold(ctx context.Context, inputs []Input) error {
	if len(inputs) == 0 {
		return ctx.Err()
	}
	rows, cold := int64(0), false
	for i := range inputs {
		in := &inputs[i]
		if in.Program.Answer != q.a {
			return fmt.Errorf("a program of another answer")
		}
		if in.Batch != nil {
			in.Rows = in.Batch.n
		}
		rows += int64(in.Rows)
		cold = cold || in.Batch == nil
	}
	q.lay(func(i int) int64 { return codesOf(inputs, i) })
	others := q.r.folding.Add(1) - 1
	defer q.r.folding.Add(-1)
	free := max(1, int64(q.r.o.Threads)-others) // where many queries run, each on one thread gets most done
	threads := int(min(free, int64(len(inputs)), 1+rows/minShare))
	for len(q.parts) < threads {
		q.parts = append(q.parts, nil)
	}
	if threads == 1 && !cold {
		w := q.worker(0, rows)
		defer w.done()
		for i := range inputs {
			if err := w.fold(ctx, inputs[i].Program, inputs[i].Batch); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := newGroup(ctx)
	bounds := shares(inputs, rows, threads)
	var ahead *loader
	if cold {
		ahead = newLoader(q, inputs, bounds)
		g.Go(func() error { return ahead.run(ctx) })
	}
	for t := range threads {
		w := q.worker(t, rows)
		g.Go(func() error {
			defer w.done()
			for i := bounds[t]; i < bounds[t+1]; i++ {
				b, err := ahead.take(ctx, i, inputs[i].Batch)
				if err != nil {
					return err
				}
				if err := w.fold(ctx, inputs[i].Program, b); err != nil {
					return err
				}
				if err := ahead.folded(i, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// lay decides, once, how the axes number their values: codes returns how many ids an axis would have to look up.
func (q *Query) lay(codes func(axis int) int64) {
	if q.parts != nil {
		return
	}
	for i, x := range q.axes {
		ids, codes := x.dom.count.Load(), codes(i)
		x.direct = ids <= max(q.r.tuning.directIDs, min(q.r.tuning.maxDirect, codes/2))
		q.likely = append(q.likely, int(min(ids, codes)))
	}
}

// codesOf returns how many codes the batches that are there have of a group column, each batch its own: so many ids an axis
// would have to look up.
func codesOf(inputs []Input, group int) (n int64) {
	for i := range inputs {
		if in := &inputs[i]; in.Batch != nil {
			if at := in.Program.Groups[group].Dim; at < len(in.Batch.dims) && in.Batch.dims[at] != nil {
				n += int64(in.Batch.dims[at].dict.Len())
			}
		}
	}
	return n
}

// shares returns where the inputs of each thread begin, and their number: each has a run of them with about as many rows, so
// that with as many threads what is added up is added up in the same order.
func shares(inputs []Input, rows int64, threads int) []int {
	out, sum := make([]int, 1, threads+1), int64(0)
	for i := range inputs {
		for len(out) < threads && sum >= rows*int64(len(out))/int64(threads) && i > 0 {
			out = append(out, i)
		}
		sum += int64(inputs[i].Rows)
	}
	for len(out) <= threads {
		out = append(out, len(inputs))
	}
	return out
}

// Stats returns what was looked at so far.
func (q *Query) Stats() Stats {
	return Stats{Batches: atomic.LoadInt64(&q.stats.Batches), Cells: atomic.LoadInt64(&q.stats.Cells)}
}

// Close ends the query. What it has learned of groups stays for the next one.
func (q *Query) Close() {
	q.parts = nil
	if n := q.r.domains.trim(); n > 0 {
		q.r.m.domainsDropped.Add(float64(n))
	}
}

// values returns the values of an axis, by id in its domain.
func (q *Query) values(i int) stage.Column { return q.axes[i].dom.view() }
