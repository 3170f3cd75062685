package local

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

func (b *build) run(ctx context.Context) (out builder.EngineOutput, err error) {
	s, err := b.e.newSink(ctx, b)
	if err != nil {
		return out, err
	}
	o := b.newOutput(ctx, s)
	defer o.abandon()
	if len(b.in.Merged) > 0 {
		err = b.mergeSegments(ctx, o)
	} else {
		err = b.fromEvents(ctx, o)
	}
	if err == nil {
		out, err = o.finish()
	}
	out.Inputs = b.ids.inputs()
	return out, b.final(errors.Join(err, b.ids.close()))
}

// final says of which errors trying again cannot help.
func (b *build) final(err error) error {
	var overflow *cells.OverflowError
	var limit *DiskLimitError
	var looking *dictionary.LimitError
	var ids *dictionary.FullError
	if errors.As(err, &overflow) || errors.As(err, &limit) || errors.As(err, &looking) || errors.As(err, &ids) {
		return &builder.FinalError{Err: err}
	}
	return err
}

// fromEvents makes the base cuboid of staged files, and all others of larger ones.
func (b *build) fromEvents(ctx context.Context, o *output) error {
	if err := b.base(ctx, o); err != nil {
		return err
	}
	if b.nodes[0].rows == 0 {
		for _, n := range b.nodes[1:] {
			if err := o.begin(n).end(); err != nil {
				return err
			}
		}
		return nil
	}
	defer b.tellReused()
	progress := b.in.Step("make cuboids", "cuboids")
	var made atomic.Int64
	l := &lattice{nodes: b.nodes, limit: b.e.o.Threads, feeds: holds, drop: dropKept, rest: o.g.Wait}
	l.make = func(ctx context.Context, n, parent *node) error {
		err := b.unlessLeft(ctx, o, n, func() error { return b.childOf(ctx, o, n, parent) })
		progress(made.Add(1), int64(len(b.nodes)-1))
		return err
	}
	l.finished(b.nodes[0])
	return l.run(ctx)
}

func dropKept(n *node) {
	if n.kept != nil {
		n.kept.drop()
		n.kept = nil
	}
}

// unlessLeft takes over a cuboid that an earlier attempt has finished, else makes it.
func (b *build) unlessLeft(ctx context.Context, o *output, n *node, make func() error) error {
	line, left, err := b.left(o, n)
	switch {
	case err != nil:
	case left && n.above:
		n.kept, err = b.cellsOf(line)
	case !left:
		err = make()
	}
	return err
}

// childOf makes a cuboid of a larger one when there is room.
func (b *build) childOf(ctx context.Context, o *output, n, parent *node) error {
	held := b.rowBytes(min(len(parent.kept.runs[0].parts), b.e.size.fanIn) * b.e.size.frameRows)
	return b.merging(ctx, held, func() error { return b.child(ctx, o, n, parent) })
}

// base makes the base cuboid, or takes over the one that an earlier attempt left.
func (b *build) base(ctx context.Context, o *output) error {
	n := b.nodes[0]
	var ev *events
	var err error
	if len(b.layout.StringSets()) > 0 { // whether what is left is of use depends on the ids
		if ev, err = b.planEvents(ctx); err != nil {
			return err
		}
	}
	line, left, err := b.left(o, n)
	if left && err == nil {
		b.in.Logf("the base cuboid was left by an earlier attempt")
		n.kept, err = b.cellsOf(line)
	}
	if left || err != nil {
		return err
	}
	kept := b.cells(n)
	if ok, err := kept.resume(); err != nil {
		return err
	} else if ok {
		b.in.Logf("the cells of the base cuboid were left by an earlier attempt")
		return b.compute(ctx, func() error { return b.again(ctx, o, n, kept) })
	}
	if ev == nil {
		if ev, err = b.planEvents(ctx); err != nil {
			return err
		}
	}
	runs, err := b.readEvents(ctx, ev)
	if err != nil {
		return err
	}
	b.in.Logf("%d blocks of events became %d cells; %d blocks were left by an earlier attempt", len(runs), rowsOf(runs), b.reused.runs)
	progress := b.in.Step("merge the base cuboid", "rows")
	return b.merging(ctx, b.rowBytes(min(len(runs), b.e.size.fanIn)*b.e.size.frameRows), func() error { return b.mergeRuns(ctx, o, n, runs, progress) })
}

// rowBytes is about what cells take of memory.
func (b *build) rowBytes(rows int) int64 {
	return int64(rows) * int64(cellBytes+len(b.layout.Measures)*eventStateSize)
}

// merging runs f, which holds so many bytes of its sources, when there is a thread and memory for it.
func (b *build) merging(ctx context.Context, held int64, f func() error) error {
	need := held + b.rowBytes(3*b.e.size.stepRows+2*b.e.size.groupRows)
	if err := b.e.mem.work(ctx, need); err != nil {
		return err
	}
	defer b.e.mem.worked(need)
	return b.compute(ctx, f)
}

// left gives the output a cuboid that an earlier attempt has finished, if there is one.
func (b *build) left(o *output, n *node) (*line, bool, error) {
	line, ok, err := o.resume(n)
	if !ok || err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	b.reused.cuboids++
	b.mu.Unlock()
	return line, true, line.end()
}

func (b *build) tellReused() {
	if b.reused.cuboids > 0 {
		b.in.Logf("%d of %d cuboids were left by an earlier attempt", b.reused.cuboids, len(b.nodes))
	}
}

// again gives the output a cuboid whose cells are kept already.
func (b *build) again(ctx context.Context, o *output, n *node, kept *store) error {
	w := o.begin(n)
	for i := range kept.runs[0].parts {
		c, err := kept.runs[0].parts[i].load(ctx, b.layout)
		if err != nil {
			return err
		}
		n.rows += int64(c.Len())
		if err := w.add(c); err != nil {
			return err
		}
	}
	n.kept = kept
	return w.end()
}

// cells is where a cuboid is kept that others are made of.
func (b *build) cells(n *node) *store {
	s := b.store(fmt.Sprintf("cuboid-%x", n.mask))
	s.whole = true
	return s
}

func rowsOf(list []*store) (n int64) {
	for _, s := range list {
		n += s.rows()
	}
	return n
}

// events are what is read, and in which blocks.
type events struct {
	in     *inputs
	blocks []block
}

// planEvents cuts the events of the segment into blocks, and finds the ids of strings.
func (b *build) planEvents(ctx context.Context) (ev *events, err error) {
	ev = &events{in: &inputs{store: b.e.o.Store, rng: b.in.Range, want: b.layout.Fields, size: b.e.size}}
	if ev.blocks, err = ev.in.blocks(ctx, b.in.Rows, b.in.Step("plan blocks", "files")); err != nil {
		return nil, err
	}
	if b.ids, err = b.gatherIDs(ctx, ev.in, ev.blocks); err != nil || b.ids == nil {
		return ev, err
	}
	return ev, b.sameIDs()
}

// readEvents groups the events, a run for each block.
func (b *build) readEvents(ctx context.Context, ev *events) ([]*store, error) {
	progress := b.in.Step("group events", "events")
	var read atomic.Int64
	runs := make([]*store, len(ev.blocks))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(b.e.o.Threads)
	for i, blk := range ev.blocks {
		if reading.Err() != nil {
			break
		}
		g.Go(func() (err error) {
			runs[i], err = b.group(reading, ev.in, i, blk)
			progress(read.Add(int64(blk.rows())), b.in.Events)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if n := read.Load(); n != b.in.Events {
		return nil, &builder.FinalError{Err: fmt.Errorf("the staged files hold %d events of the range, the ledger has %d: run tidemark verify", n, b.in.Events)}
	}
	return runs, nil
}

// About the bytes that an event takes while its block is grouped, beside its columns, and a cell while it is merged.
const (
	eventBytes     = 64 // keys, groups
	cellBytes      = 32 // keys, codes
	eventStateSize = 16 // a measure
)

// group makes a run of a block.
func (b *build) group(ctx context.Context, in *inputs, i int, blk block) (*store, error) {
	s := b.store(fmt.Sprintf("run-%06d", i))
	if ok, err := s.resume(); err != nil {
		return s, err
	} else if ok {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reused.runs++
		return s, nil
	}
	need := int64(blk.rows() * (eventBytes + len(b.layout.Measures)*eventStateSize))
	for _, p := range blk {
		need += p.bytes
	}
	if err := b.e.mem.work(ctx, need); err != nil {
		return nil, err
	}
	defer b.e.mem.worked(need)
	err := b.compute(ctx, func() error {
		events := b.layout.NewBlock(b.layout.Base())
		events.IDs = b.ids.of(ctx, i)
		err := in.each(ctx, blk, func(schema *stage.Schema, c *stage.Chunk, p piece) error {
			for _, r := range p.spans {
				if err := events.Add(schema, c, r.from, r.to, p.partition); err != nil {
					return &builder.FinalError{Err: fmt.Errorf("file %s: %w", p.file.Key, err)}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.e.m.eventsRead.Add(float64(events.Rows()))
		c, err := events.Cells()
		if err != nil {
			return err
		}
		s.begin()
		return errors.Join(s.add(c), s.finish())
	})
	return s, err
}

// mergeRuns makes a cuboid of runs, and drops them. The caller holds a thread.
func (b *build) mergeRuns(ctx context.Context, o *output, n *node, list []*store, progress func(done, total int64)) error {
	list, err := b.reduce(ctx, n.mask, list)
	if err != nil {
		return err
	}
	total := rowsOf(list)
	if err := b.cuboid(ctx, o, n, b.readers(list), func(rows int64) { progress(rows, total) }); err != nil {
		return err
	}
	for _, s := range list {
		s.drop()
	}
	return nil
}

// reduce merges runs in turns until there are few enough for one merge.
func (b *build) reduce(ctx context.Context, mask uint64, list []*store) ([]*store, error) {
	most := b.e.size.fanIn
	for round := 0; ; round++ {
		var runs []*run
		for _, s := range list {
			runs = append(runs, s.runs...)
		}
		if len(runs) <= most {
			return list, nil
		}
		fewer := b.store(fmt.Sprintf("merged-%x-%d", mask, round))
		for ; len(runs) > 0; runs = runs[min(most, len(runs)):] {
			fewer.begin()
			var sources []source
			for _, r := range runs[:min(most, len(runs))] {
				sources = append(sources, b.reader(r))
			}
			if err := b.merged(ctx, mask, sources, b.e.size.frameRows, fewer.add); err != nil {
				return nil, err
			}
		}
		if err := fewer.finish(); err != nil {
			return nil, err
		}
		for _, s := range list {
			s.drop()
		}
		list = []*store{fewer}
	}
}

// merged merges sources and gives the cells in frames of at most size rows.
func (b *build) merged(ctx context.Context, mask uint64, sources []source, size int, give func(*cells.Cells) error) error {
	var m source = newMerger(b.layout, mask, sources, b.e.size)
	if len(sources) == 1 {
		m = sources[0]
	}
	f := &framer{layout: b.layout, cut: cuboid.Cutter{Rows: size}, give: give}
	for {
		p, err := m.next(ctx)
		if err != nil {
			return err
		}
		if p.Cells == nil {
			return f.flush()
		}
		if err := f.add(p); err != nil {
			return err
		}
	}
}

// cuboid merges sources to a cuboid, gives it to the output, and keeps it if others are made of it.
func (b *build) cuboid(ctx context.Context, o *output, n *node, sources []source, progress func(rows int64)) error {
	if n.above {
		n.kept = b.cells(n)
		n.kept.begin()
	}
	w := o.begin(n)
	err := b.merged(ctx, n.mask, sources, b.e.size.groupRows, func(c *cells.Cells) error {
		n.rows += int64(c.Len())
		b.e.m.cellsWritten.Add(float64(c.Len()))
		progress(n.rows)
		if err := w.add(c); err != nil {
			return err
		}
		if n.kept != nil {
			return n.kept.add(c)
		}
		return nil
	})
	if err == nil && n.kept != nil {
		err = n.kept.finish()
	}
	if err != nil {
		return err
	}
	return w.end()
}

// child makes a cuboid of a larger one. The caller holds a thread.
func (b *build) child(ctx context.Context, o *output, n, parent *node) error {
	r := b.roll(n, parent)
	if err := b.cuboid(ctx, o, n, []source{r}, func(int64) {}); err != nil {
		return err
	}
	r.drop()
	return nil
}
