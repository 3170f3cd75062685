package run

import (
	"container/list"
	"context"
	"errors"
	"math/bits"
	"sync"
	"unique"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
)

// Reader reads the cuboids of one segment: *cuboid.Reader and its twin for HBase.
type Reader interface {
	// Groups returns the row groups of a cuboid, in row-key order.
	Groups(ctx context.Context, mask uint64) ([]cuboid.RowGroup, error)
	// Read reads dimensions and measures of a row group.
	Read(ctx context.Context, g cuboid.RowGroup, dims uint64, measures []int) (*cuboid.Rows, error)
}

// Object is the cuboids of a segment under a name that stands for these bytes for ever, such as the segment's folder (N7).
type Object struct {
	Name   unique.Handle[string] // compared with those of other columns some times for each row group
	Layout *cells.Layout
	Reader Reader
}

// columns keeps decoded columns, and what row groups cuboids have, up to ColumnBytes. A column that is asked for while it is
// read is waited for.
type columns struct {
	r *Runner

	mu    sync.Mutex
	bytes int64
	items map[columnKey]*column
	order list.List // of *column, the one asked for last in front; none that is being read
}

// columnKey names a column of a row group: a dimension, a measure behind them, or the list of row groups.
type columnKey struct {
	object unique.Handle[string]
	mask   uint64
	place  int
	column int
}

const groupsColumn = -1

// column is what is kept, or will be once ready is closed.
type column struct {
	key   columnKey
	ready chan struct{} // nil: it is there
	at    *list.Element // in order
	bytes int64

	dim    *dimension
	states cells.States
	groups []cuboid.RowGroup
}

func newColumns(r *Runner) *columns { return &columns{r: r, items: map[columnKey]*column{}} }

func (c *columns) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Inputs returns the row groups of a cuboid that can have rows which count, as inputs of a query. Of those whose columns are
// all kept it has the batches.
func (r *Runner) Inputs(ctx context.Context, o *Object, mask uint64, p *Program) ([]Input, error) {
	groups, err := r.columns.groups(ctx, o, mask)
	if err != nil {
		return nil, err
	}
	out, pruned := make([]Input, 0, len(groups)), 0
	for i := range groups {
		g := &groups[i]
		if g.Rows == 0 || !p.May(g.Bounds, g.Nulls) {
			pruned++
			continue
		}
		in := Input{Program: p, Rows: g.Rows, Batch: r.columns.kept(o, g, p)}
		if in.Batch == nil {
			in.Load = func(ctx context.Context) (*Batch, error) { return r.columns.batch(ctx, o, g, p) }
		}
		out = append(out, in)
	}
	r.m.pruned.Add(float64(pruned))
	r.m.folded.Add(float64(len(out)))
	return out, nil
}

// wanted lists the columns that a program reads of a cuboid.
func wanted(o *Object, mask uint64, p *Program) []int {
	n := len(o.Layout.Dims)
	out := make([]int, 0, bits.OnesCount64(p.dims&mask)+len(p.reads))
	for i := range n {
		if p.dims&mask>>(n-1-i)&1 == 1 {
			out = append(out, i)
		}
	}
	for _, m := range p.reads {
		out = append(out, n+m)
	}
	return out
}

func emptyBatch(o *Object, g *cuboid.RowGroup) *Batch {
	return &Batch{n: g.Rows, dims: make([]*dimension, len(o.Layout.Dims)), states: make([]cells.States, len(o.Layout.Measures)), kept: true}
}

// set puts a column into the batch.
func (b *Batch) set(at int, c *column) {
	if at < len(b.dims) {
		b.dims[at] = c.dim
	} else {
		b.states[at-len(b.dims)] = c.states
	}
}

// kept returns the batch of a row group if all its columns are there.
func (c *columns) kept(o *Object, g *cuboid.RowGroup, p *Program) *Batch {
	b, want := emptyBatch(o, g), wanted(o, g.Mask, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range want {
		it, ok := c.items[columnKey{o.Name, g.Mask, g.Place, at}]
		if !ok || it.ready != nil {
			return nil
		}
		c.order.MoveToFront(it.at)
		b.set(at, it)
	}
	c.r.m.kept.Add(float64(len(want)))
	return b
}

// batch returns the batch of a row group. What is not kept is read in one go, but for what another query is reading.
func (c *columns) batch(ctx context.Context, o *Object, g *cuboid.RowGroup, p *Program) (*Batch, error) {
	want := wanted(o, g.Mask, p)
	if c.r.o.NoColumns {
		return c.direct(ctx, o, g, want)
	}
	b := emptyBatch(o, g)
	for len(want) > 0 {
		mine, others, left := c.claim(o, g, b, want)
		if len(mine) > 0 {
			if err := c.read(ctx, o, g, mine); err != nil {
				return nil, err
			}
			for _, it := range mine {
				b.set(it.key.column, it)
			}
		}
		for _, ready := range others {
			select {
			case <-ready:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		want = left // of which the one who read them may have failed: then they are read here
	}
	return b, nil
}

// claim puts what is kept into b, and tells what is now the caller's to read from what others read; left are these.
func (c *columns) claim(o *Object, g *cuboid.RowGroup, b *Batch, want []int) (mine []*column, others []chan struct{}, left []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range want {
		key := columnKey{o.Name, g.Mask, g.Place, at}
		it, ok := c.items[key]
		switch {
		case !ok:
			it = &column{key: key, ready: make(chan struct{})}
			c.items[key] = it
			mine = append(mine, it)
			c.r.m.read.Inc()
		case it.ready != nil:
			others, left = append(others, it.ready), append(left, at)
			c.r.m.waited.Inc()
		default:
			c.order.MoveToFront(it.at)
			b.set(at, it)
			c.r.m.kept.Inc()
		}
	}
	return mine, others, left
}

// read reads columns that were claimed, and keeps them; where it fails they are nobody's again.
func (c *columns) read(ctx context.Context, o *Object, g *cuboid.RowGroup, mine []*column) error {
	var at []int
	for _, it := range mine {
		at = append(at, it.key.column)
	}
	err := errUnread
	defer func() { c.publish(mine, err) }() // also after a panic, for those who wait
	b, err2 := c.direct(ctx, o, g, at)
	if err = err2; err != nil {
		return err
	}
	for _, it := range mine {
		if i := it.key.column; i < len(b.dims) {
			it.dim = b.dims[i]
			it.bytes = it.dim.memBytes()
		} else {
			it.states = b.states[i-len(b.dims)]
			it.bytes = it.states.MemBytes()
		}
	}
	return nil
}

// errUnread stands for a panic while columns were read.
var errUnread = errors.New("columns were not read")

// direct reads columns past the cache.
func (c *columns) direct(ctx context.Context, o *Object, g *cuboid.RowGroup, want []int) (*Batch, error) {
	n := len(o.Layout.Dims)
	dims, measures := uint64(0), []int{} // a Reader takes nil for all
	for _, at := range want {
		if at < n {
			dims |= 1 << (n - 1 - at)
		} else {
			measures = append(measures, at-n)
		}
	}
	rows, err := o.Reader.Read(ctx, *g, dims, measures)
	if err != nil {
		return nil, err
	}
	return NewBatch(rows), nil
}

// publish tells those who wait.
func (c *columns) publish(mine []*column, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range mine {
		close(it.ready)
		if delete(c.items, it.key); err == nil {
			c.keep(it)
		}
	}
}

// keep takes in what is there, under the lock, and makes room.
func (c *columns) keep(it *column) {
	if it.bytes > c.r.o.ColumnBytes {
		return
	}
	it.ready, it.at = nil, c.order.PushFront(it)
	c.items[it.key] = it
	c.bytes += it.bytes
	for c.bytes > c.r.o.ColumnBytes {
		it := c.order.Back().Value.(*column)
		c.order.Remove(it.at)
		delete(c.items, it.key)
		c.bytes -= it.bytes
		c.r.m.columnsDropped.Inc()
	}
}

// groups returns the row groups of a cuboid.
func (c *columns) groups(ctx context.Context, o *Object, mask uint64) ([]cuboid.RowGroup, error) {
	key := columnKey{object: o.Name, mask: mask, column: groupsColumn}
	c.mu.Lock()
	it, ok := c.items[key]
	if ok {
		c.order.MoveToFront(it.at)
	}
	c.mu.Unlock()
	if ok {
		return it.groups, nil
	}
	groups, err := o.Reader.Groups(ctx, mask)
	if err != nil || c.r.o.NoColumns {
		return groups, err
	}
	it = &column{key: key, groups: groups, bytes: int64(len(groups)) * int64(128+256*len(o.Layout.Dims))}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; !ok {
		c.keep(it)
	}
	return groups, nil
}
