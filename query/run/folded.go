package run

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Folded are the groups that a query has come to, and their states, for other queries of the same groups and states: they take them in
// as if they had folded the same batches. It never changes, and any number of queries may take it in at once.
type Folded struct {
	n      int
	axes   []foldedAxis
	states []cells.Folding
	bytes  int64
	note   any
}

// foldedAxis is a group column of folded groups: by group its id in a domain that queries share, while there is that domain, or the place
// of its value among values.
type foldedAxis struct {
	dom    *identity
	values *stage.Column // of a column that has no key; nil: of one that has
	ids    []uint32
}

// Folded ends a query apart and returns what it has folded. A *MemoryError says that there is no room to take it: Undo.
func (q *Query) Folded(ctx context.Context) (*Folded, error) {
	s := q.r.getScratch()
	defer q.r.scratch.Put(s)
	all, err := q.merge(ctx, s)
	if err != nil {
		return nil, err
	}
	f := &Folded{n: all.n, states: all.states}
	if all.at != nil { // groups that were not met take room
		if f.states, err = q.take(all.states, all.at); err != nil {
			return nil, err
		}
	}
	for i, ids := range all.groups {
		x := foldedAxis{dom: q.axes[i].dom.id, ids: ids}
		if q.a.Groups[i].Key == "" {
			values := q.values(i)
			x.values = &values
			f.bytes += values.MemBytes()
		}
		f.axes = append(f.axes, x)
		f.bytes += 4 * int64(cap(ids))
	}
	for _, st := range f.states {
		cells.Settle(st)
		f.bytes += st.MemBytes()
	}
	if q.mem.bytes.Load()+f.bytes > q.mem.limit { // to take it needs about what this query needed
		return nil, &MemoryError{q.mem.limit}
	}
	q.Undo() // what is kept is the cache's
	return f, nil
}

// Annotate adds what Note returns, of so many bytes, before f is kept.
func (f *Folded) Annotate(note any, bytes int64) { f.note, f.bytes = note, f.bytes+bytes }

// Note returns what was added.
func (f *Folded) Note() any { return f.note }

// FoldedKey says what groups were folded of, of which answer.
type FoldedKey [sha256.Size]byte

// foldedBytes is about what the key of kept groups takes, and the groups beside their states.
const foldedBytes = 256

// largestFolded is the part of FoldedBytes that the groups of one key may take.
const largestFolded = 8

// Known returns the groups that are kept under a key, to be taken; nil: none are that the query may take. wanted says that they should
// be: the key was asked for before.
func (q *Query) Known(key FoldedKey) (f *Folded, wanted bool) {
	r := q.r
	if r.o.NoFolded {
		return nil, false
	}
	f, wanted = r.foldings.get(key)
	switch {
	case !wanted:
		r.foldings.put(key, nil, foldedBytes)
		r.m.foldedOnce.Inc()
		return nil, false
	case f != nil && f.n < 0: // Never
		r.m.foldedLarge.Inc()
		return nil, false
	case f == nil || !q.Takes(f):
		r.m.foldedAgain.Inc()
		return nil, true
	}
	r.m.foldedKept.Inc()
	q.count(int64(f.n)) // groups that were kept are looked at as cells are
	return f, true
}

func (q *Query) count(cells int64) {
	atomic.AddInt64(&q.stats.Batches, 1)
	atomic.AddInt64(&q.stats.Cells, cells)
	q.r.m.cells.Add(float64(cells))
}

// Keep keeps groups under a key; false: they are too many.
func (r *Runner) Keep(key FoldedKey, f *Folded) bool {
	n := f.bytes + foldedBytes
	if n > r.o.FoldedBytes/largestFolded {
		return false
	}
	r.foldings.put(key, f, n)
	return true
}

// Never has Known say that nothing is wanted under a key.
func (r *Runner) Never(key FoldedKey) { r.foldings.put(key, &Folded{n: -1}, foldedBytes) }

// Groups returns how many there are.
func (f *Folded) Groups() int { return f.n }

// MemBytes returns what the groups and states hold of memory.
func (f *Folded) MemBytes() int64 { return f.bytes }

// Takes reports whether the query may take f in: its groups and states are of the same kinds, and the domains of f's ids are still there.
func (q *Query) Takes(f *Folded) bool {
	if len(f.axes) != len(q.axes) || len(f.states) != len(q.a.States) {
		return false
	}
	for i, x := range f.axes {
		if x.values == nil && x.dom != q.axes[i].dom.id {
			return false
		}
	}
	return true
}

// Take takes in what another query has folded, and has counted. The errors are those of Fold.
func (q *Query) Take(ctx context.Context, f *Folded) error {
	if !q.Takes(f) {
		return errors.New("N7: folded groups of other domains")
	}
	if f.n == 0 {
		return ctx.Err()
	}
	q.lay(func(int) int64 { return int64(f.n) })
	if len(q.parts) == 0 {
		q.parts = append(q.parts, nil)
	}
	w := q.worker(0, int64(f.n))
	defer w.done()
	sources, sizes := make([]source, len(f.axes)), make([]int, len(f.axes))
	for i, x := range f.axes {
		ids, had := x.ids, q.axes[i].dom.bytes.Load()
		if x.values != nil {
			own, err := q.axes[i].dom.idsOf(ctx, x.values, false)
			if err != nil {
				return err
			}
			ids = slices.Clone(ids)
			for k, at := range ids {
				ids[k] = own[at]
			}
		}
		sources[i].codes, sizes[i] = q.axes[i].place(ids)
		if err := q.mem.add(q.axes[i].grown() + q.axes[i].dom.bytes.Load() - had); err != nil {
			return err
		}
	}
	if err := w.widen(sizes); err != nil {
		return err
	}
	return w.takeStates(ctx, sources, f)
}

// takeStates folds states into the groups of their ids.
func (w *worker) takeStates(ctx context.Context, sources []source, f *Folded) error {
	for from := 0; from < f.n; from += morsel {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(morsel, f.n-from)
		groups := w.part.groups(w.s, sources, nil, from, n)
		for i, st := range w.part.states {
			if err := st.FoldRows(groups, nil, from, f.states[i]); err != nil {
				return err
			}
		}
		if err := w.part.count(); err != nil {
			return err
		}
	}
	return nil
}

// place returns the axis's ids for ids of its domain, and how many it has.
func (x *axis) place(ids []uint32) (_ []uint32, size int) {
	if x.direct {
		return ids, int(x.dom.count.Load())
	}
	out := make([]uint32, len(ids))
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := int(x.dom.count.Load()); n > len(x.local) {
		x.local = append(x.local, make([]uint32, n-len(x.local))...)
	}
	for i, id := range ids {
		at := &x.local[id]
		if *at == 0 {
			x.ids = append(x.ids, id)
			*at = uint32(len(x.ids))
		}
		out[i] = *at - 1
	}
	return out, len(x.ids)
}
