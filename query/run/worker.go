package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// worker is one thread of a query.
type worker struct {
	q    *Query
	slot int // of q.parts
	s    *scratch
	rows int64 // of all that the query was given with this one
	part *partial

	job    job // of the batch under way; its memory is used again
	picked []*picks
	sizes  []int
}

func (q *Query) worker(slot int, rows int64) *worker {
	return &worker{q: q, slot: slot, s: q.r.getScratch(), rows: rows, part: q.parts[slot]}
}

// done hands the worker's groups to the query.
func (w *worker) done() {
	w.q.parts[w.slot] = w.part
	w.q.r.scratch.Put(w.s)
}

// job is a batch and what is to be done with it.
type job struct {
	where   *bound
	filters []*bound // nil: no row passes
	sources []source // of each axis
	states  []cells.States
	runs    *dimension // of the only axis, if rows ascend by it in long runs and all of them count
}

// fold takes in the rows of a batch.
func (w *worker) fold(ctx context.Context, p *Program, b *Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.q.count(int64(b.n))
	if b.n == 0 {
		return nil
	}
	if err := p.check(b); err != nil {
		return err
	}
	j, err := w.prepare(ctx, p, b)
	if err != nil || j == nil {
		return err
	}
	if j.runs != nil && w.part.levels == nil {
		return w.foldRuns(ctx, j)
	}
	for from := j.where.from; from < j.where.to; from += morsel {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(morsel, j.where.to-from)
		rows := j.where.rows(w.s, w.s.rows, from, n)
		if rows != nil {
			if n = len(rows); n == 0 {
				continue
			}
		}
		if err := w.morsel(p, j, rows, from, n); err != nil {
			return err
		}
		if err := w.part.count(); err != nil {
			return err
		}
	}
	return nil
}

// morsel folds n rows: the given ones, or all from row from on where rows is nil.
func (w *worker) morsel(p *Program, j *job, rows []uint32, from, n int) error {
	if rows == nil && len(j.sources) == 0 && len(p.filters) == 0 {
		return w.run(j, 0, from, from+n)
	}
	return w.states(p, j, w.part.groups(w.s, j.sources, rows, from, n), rows, from)
}

// run folds all rows of [from, to) into one group.
func (w *worker) run(j *job, group uint32, from, to int) error {
	for i, st := range w.part.states {
		if err := st.FoldRun(group, from, to, j.states[i]); err != nil {
			return err
		}
	}
	return nil
}

// check says what a program needs and a batch has not.
func (p *Program) check(b *Batch) error {
	if len(b.dims) != len(p.Layout.Dims) || len(b.states) != len(p.Layout.Measures) {
		return fmt.Errorf("a batch of %d dimensions and %d measures, the layout has %d and %d", len(b.dims), len(b.states), len(p.Layout.Dims), len(p.Layout.Measures))
	}
	for i := range b.dims {
		if p.dims>>(len(b.dims)-1-i)&1 == 1 && b.dims[i] == nil {
			return fmt.Errorf("a batch without dimension %s", p.Layout.Dims[i].Name)
		}
	}
	for _, m := range p.reads {
		if b.states[m] == nil {
			return fmt.Errorf("a batch without measure %s", p.Layout.Measures[m].Name)
		}
	}
	return nil
}

// prepare works out all that depends on the values of the batch (N2); nil where no row counts.
func (w *worker) prepare(ctx context.Context, p *Program, b *Batch) (*job, error) {
	r := w.q.r
	w.picked = append(w.picked[:0], make([]*picks, len(b.dims))...)
	where, err := r.bind(ctx, p.where, b, w.picked)
	if err != nil || where.never {
		return nil, err
	}
	j := &w.job
	*j = job{where: where, filters: j.filters[:0], sources: j.sources[:0], states: j.states[:0]}
	for _, f := range p.filters {
		c, err := r.bind(ctx, f, b, nil)
		if err != nil {
			return nil, err
		}
		if c.never {
			c = nil
		}
		j.filters = append(j.filters, c)
	}
	w.sizes = append(w.sizes[:0], make([]int, len(p.Groups))...)
	for len(w.s.tabs) < len(p.Groups) {
		w.s.tabs = append(w.s.tabs, nil)
	}
	for i := range p.Groups {
		d := b.dims[p.Groups[i].Dim]
		ids, err := w.q.ids(ctx, &p.Groups[i], d, w.q.axes[i].dom)
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", p.Answer.Groups[i].Name, err)
		}
		var tab []uint32
		tab, w.s.tabs[i], w.sizes[i] = w.q.axes[i].bind(ids, w.picked[p.Groups[i].Dim], w.s.tabs[i])
		j.sources = append(j.sources, source{codes: d.codes, ids: tab})
		if err := w.q.mem.add(w.q.axes[i].grown()); err != nil {
			return nil, err
		}
	}
	for _, m := range p.Measures {
		j.states = append(j.states, b.states[m])
	}
	j.runs = runsOf(p, b, where)
	return j, w.widen(w.sizes)
}

// longRun is from how many rows a code on it pays to fold a code's rows as one.
const longRun = 16

func runsOf(p *Program, b *Batch, where *bound) *dimension {
	if len(p.Groups) != 1 || len(p.filters) > 0 || !where.all() {
		return nil
	}
	d := b.dims[p.Groups[0].Dim]
	if d.starts == nil || b.n < longRun*d.dict.Len() {
		return nil
	}
	return d
}

// widen makes room for axes of the given sizes: where they have outgrown the groups, new ones take in those there are.
func (w *worker) widen(sizes []int) error {
	if w.part == nil {
		likely := slices.Clone(sizes)
		for i, n := range w.q.likely {
			likely[i] = max(likely[i], n)
		}
		if w.part = w.q.newPartial(likely, w.rows); w.part.levels != nil {
			w.part = w.q.newPartial(sizes, w.rows) // what passes the condition may have fewer
		}
		return w.part.count()
	}
	if w.part.fits(sizes) {
		return nil
	}
	for i := range sizes {
		if 1<<w.part.widths[i] < sizes[i] {
			sizes[i] *= 2 // axes that grow do so for a while
		}
		sizes[i] = max(sizes[i], w.part.sizes[i])
	}
	old := w.part
	w.part = w.q.newPartial(sizes, w.rows)
	if err := w.part.count(); err != nil {
		return err
	}
	if err := w.part.absorb(w.s, old); err != nil {
		return err
	}
	old.release()
	return nil
}

// states folds rows into their groups.
func (w *worker) states(p *Program, j *job, groups, rows []uint32, from int) error {
	for i, st := range w.part.states {
		gs, rs := groups, rows
		if f := p.Answer.States[i].Filter; f > 0 {
			c := j.filters[f-1]
			if c == nil {
				continue
			}
			if !c.all() {
				gs, rs = w.narrow(c, groups, rows, from)
			}
		}
		if err := st.FoldRows(gs, rs, from, j.states[i]); err != nil {
			return err
		}
	}
	return nil
}

// narrow returns the rows that pass c too, and their groups.
func (w *worker) narrow(c *bound, groups, rows []uint32, from int) (gs, rs []uint32) {
	if rows == nil {
		rs = c.rows(w.s, w.s.part, from, len(groups))
		gs = w.s.some[:len(rs)]
		for i, r := range rs {
			gs[i] = groups[int(r)-from]
		}
		return gs, rs
	}
	for i, r := range rows {
		w.s.place[int(r)%morsel] = groups[i] // rows of a morsel lie within that many of each other
	}
	rs = c.among(w.s, w.s.part, rows)
	gs = w.s.some[:len(rs)]
	for i, r := range rs {
		gs[i] = w.s.place[int(r)%morsel]
	}
	return gs, rs
}

// foldRuns folds the rows of each code as one. Groups are dense, so that with one axis an id is a group.
func (w *worker) foldRuns(ctx context.Context, j *job) error {
	steps := 0
	for c, group := range j.sources[0].ids {
		start, end := max(int(j.runs.starts[c]), j.where.from), min(int(j.runs.starts[c+1]), j.where.to)
		if start < end && w.part.seen != nil {
			w.part.seen[group] = 1
		}
		for from := start; from < end; from += morsel {
			if steps++; steps%64 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.part.count(); err != nil {
					return err
				}
			}
			if err := w.run(j, group, from, min(from+morsel, end)); err != nil {
				return err
			}
		}
	}
	return w.part.count()
}
