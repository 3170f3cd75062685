package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// blockRun is a block of a statement that runs.
type blockRun struct {
	x     *execution
	t     *tableRun
	p     *blockPlan
	way   *way        // nil: it is computed from events
	whole *plan.Whole // the statement is this block

	q         *run.Query
	answer    *run.Answer
	cells     []run.Input // of events, that are yet to be folded
	held      int         // rows of them
	heldBytes int64
	named     plan.Choice // the last one whose cuboid was named,
	name      string      // and how
	looked    run.Stats   // by queries beside q
	opened    bool        // segments, that no statement had opened before
	scan      *scanRun
	result    []arrow.Record
	report    BlockReport
}

// BlockReport says how a block was answered.
type BlockReport struct {
	Name     string
	Table    string
	Cube     string // "": from events
	Reason   string // why from events
	Segments []SegmentReport
	Batches  int64
	Cells    int64 // that were looked at
	Rows     int64 // of the answer
	Notes    []string
}

// SegmentReport says how a segment took part.
type SegmentReport struct {
	Segment int64
	Cuboid  string // "": from staged files
	Rows    int64  // of the cuboid
}

// readTail folds the tail, or keeps its events.
func (b *blockRun) readTail(ctx context.Context) (err error) {
	b.report.Name, b.report.Table = b.p.b.Name, b.t.def.table.Name
	if b.way == nil {
		b.report.Reason = b.lacks()
		return b.scan.readTail(ctx)
	}
	b.report.Cube = b.way.cube.def.Name
	b.answer = b.way.answer
	if isTop(b.way.needs[0]) {
		b.whole = nil
	}
	if b.whole != nil {
		if b.answer, err = b.way.ordered(b.whole); err != nil {
			return err
		}
	}
	if b.q, err = b.x.e.runner.Start(b.answer); err != nil {
		return err
	}
	return b.events(ctx, b.t.snap.Tail())
}

// spans are ranges as source has them.
func spans(ranges []plan.Range) (out []source.Span) {
	for _, r := range ranges {
		out = append(out, source.Span{Lo: r.Lo, Hi: r.Hi})
	}
	return out
}

// eventNeed is how events are brought together: in the way that leaves the fewest times to single ones.
func (w *way) eventNeed() *plan.Need {
	best, least := w.needs[0], int64(-1)
	for _, n := range w.needs {
		single := int64(0)
		for _, r := range n.Events {
			single += min(r.Hi-r.Lo, 1<<50)
		}
		if least < 0 || single < least {
			best, least = n, single
		}
	}
	return best
}

// events folds events of a set.
func (b *blockRun) events(ctx context.Context, set source.Set) error {
	n := b.way.eventNeed()
	timed := !n.Constant(plan.Always())
	if !timed || n.Time >= 0 {
		q := source.CellQuery{Layout: n.Layout, Mask: n.Mask, Times: spans(n.Cells)}
		if !timed || len(n.Cells) > 0 {
			if err := b.fold(ctx, set, q, n, moment{}); err != nil {
				return err
			}
		}
	}
	return b.single(ctx, set, n.Events)
}

// single folds events of ranges of time within which no condition on the time changes (P6 of plan).
func (b *blockRun) single(ctx context.Context, set source.Set, ranges []plan.Range) error {
	n := b.way.eventNeed()
	for _, r := range ranges {
		q := source.CellQuery{Layout: n.Layout, Mask: n.Fixed, Times: spans([]plan.Range{r}), Exact: true}
		if err := b.fold(ctx, set, q, n, moment{lo: r.Lo, fixed: true}); err != nil {
			return err
		}
	}
	return nil
}

// How much of the cells of events waits for those of the segments: what is folded after states that are dense costs less.
const (
	mostHeld      = 1 << 17 // cells
	mostHeldBytes = 16 << 20
)

// fold takes in cells of events, and folds them where they are many.
func (b *blockRun) fold(ctx context.Context, set source.Set, q source.CellQuery, n *plan.Need, at moment) error {
	p, err := b.p.program(b.x.e, b.answer, n, at)
	if err != nil {
		return err
	}
	if q.IDs, q.IDsVersion, err = b.number(ctx, n); err != nil {
		return err
	}
	for batch, err := range b.x.e.source.Cells(ctx, set, q) {
		if err != nil {
			return err
		}
		rows := batch.Value.(*run.Batch) // Options.withDefaults sees to it
		b.cells, b.held, b.heldBytes = append(b.cells, run.Input{Program: p, Batch: rows}), b.held+rows.Rows(), b.heldBytes+rows.MemBytes()
		if b.held >= mostHeld || b.heldBytes >= mostHeldBytes {
			if err := b.flush(ctx, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush folds inputs, then the cells that wait.
func (b *blockRun) flush(ctx context.Context, inputs []run.Input) error {
	err := b.q.Fold(ctx, append(inputs, b.cells...))
	b.cells, b.held, b.heldBytes = nil, 0, 0
	return err
}

// readFiles folds staged files and segments, or computes the block from events.
func (b *blockRun) readFiles(ctx context.Context) error {
	if b.way == nil {
		return b.compute(ctx)
	}
	if b.p.b.Time.Empty() {
		return b.finish(ctx)
	}
	for _, part := range b.sealedParts() {
		if err := b.sealed(ctx, part); err != nil {
			return err
		}
	}
	if b.x.damage.found() {
		return nil
	}
	return b.finish(ctx)
}

// segments folds cuboids of the segments that may have events which count, and single events where cells do not tell.
func (b *blockRun) segments(ctx context.Context) error {
	list := b.t.snap.SegmentsIn(b.p.b.Time.Lo, b.p.b.Time.Hi)
	inputs := make([]run.Input, 0, len(list)+len(b.cells))
	b.report.Segments = slices.Grow(b.report.Segments, len(list))
	var bare []*catalog.SegmentEntry // that are answered from their staged files
	type edge struct {
		need *plan.Need
		of   []*catalog.SegmentEntry
	}
	var edges []*edge
	for _, s := range list {
		c, more, err := b.segment(ctx, s)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.report.Notes = append(b.report.Notes, fmt.Sprintf("segment %d is answered from its staged files: %v", s.Number, err))
			b.report.Segments = append(b.report.Segments, SegmentReport{Segment: s.Number})
			bare = append(bare, s)
			b.x.e.m.segments.Inc()
			continue
		}
		inputs = append(inputs, more...)
		if c.Constant || len(c.Need.Events) == 0 {
			continue
		}
		at := -1
		for i := range edges {
			if edges[i].need == c.Need {
				at = i
			}
		}
		if at < 0 {
			at, edges = len(edges), append(edges, &edge{need: c.Need})
		}
		edges[at].of = append(edges[at].of, s)
	}
	b.forget()
	if err := b.flush(ctx, inputs); err != nil || b.x.damage.found() {
		return err
	}
	for _, e := range edges {
		if err := b.single(ctx, b.t.snap.Under(e.of...), e.need.Events); err != nil {
			return err
		}
	}
	if len(bare) == 0 {
		return nil
	}
	return b.events(ctx, b.t.snap.Under(bare...))
}

// segment chooses a segment's cuboid. The error says why none answers.
func (b *blockRun) segment(ctx context.Context, s *catalog.SegmentEntry) (c plan.Choice, inputs []run.Input, err error) {
	e := b.x.e
	o, err := b.open(ctx, s)
	if err != nil {
		return c, nil, err
	}
	if err := b.x.bad[o.object.Name.Value()]; err != nil {
		return c, nil, err
	}
	needs, err := b.p.needsOf(b.way, o)
	if err != nil {
		return c, nil, err
	}
	c, ok := plan.Choose(needs, o.manifest.Cuboids, plan.Range{Lo: s.MinTimeUs, Hi: s.MaxTimeUs})
	if !ok {
		return c, nil, fmt.Errorf("none of its %d cuboids has what is asked for", len(o.manifest.Cuboids))
	}
	at := moment{}
	if c.Constant && !c.Need.Constant(plan.Always()) {
		at = moment{lo: s.MinTimeUs, fixed: true}
	}
	p, err := b.p.program(e, b.answer, c.Need, at)
	if err != nil {
		return c, nil, err
	}
	inputs, err = e.runner.Inputs(ctx, o.object, uint64(c.Entry.Cuboid), p)
	if err != nil {
		return c, nil, err
	}
	inputs = b.x.watched(inputs, o.object.Name.Value(), s.Number)
	b.report.Segments = append(b.report.Segments, SegmentReport{Segment: s.Number, Cuboid: b.cuboid(&c), Rows: c.Entry.Rows})
	return c, inputs, nil
}

// cuboid names the cuboid of a choice: mostly it is that of the last one.
func (b *blockRun) cuboid(c *plan.Choice) string {
	if b.named.Need != c.Need || b.named.Entry.Cuboid != c.Entry.Cuboid || b.name == "" {
		b.named, b.name = *c, c.Cuboid()
	}
	return b.name
}

// needsOf returns the needs of a segment's layout.
func (bp *blockPlan) needsOf(w *way, o *opened) ([]*plan.Need, error) {
	if o.layout == w.cube.layout {
		return w.needs, nil
	}
	bp.mu.Lock()
	defer bp.mu.Unlock()
	if n, ok := bp.older[o.layout]; ok {
		return n, nil
	}
	needs, lacks := bp.b.Need(o.layout, o.def)
	if lacks != nil {
		return nil, lacks
	}
	if !sameTop(needs[0], w.needs[0]) {
		return nil, errors.New("it ranks other groups")
	}
	if bp.older == nil {
		bp.older = map[*cells.Layout][]*plan.Need{}
	}
	bp.older[o.layout] = needs
	return needs, nil
}

// finish takes the answer of what was folded.
func (b *blockRun) finish(ctx context.Context) error {
	if err := b.flush(ctx, nil); err != nil {
		return err
	}
	if isTop(b.way.needs[0]) {
		return b.finishTop(ctx)
	}
	rec, err := b.q.Record(ctx)
	if err != nil {
		return err
	}
	defer rec.Release()
	rec = withMasks(rec, b.p.b)
	defer rec.Release()
	out, err := withTypes(rec, b.p.schema)
	if err != nil {
		return err
	}
	st := b.q.Stats().Plus(b.looked)
	b.report.Batches, b.report.Cells, b.report.Rows = st.Batches, st.Cells, out.NumRows()
	b.result = []arrow.Record{out}
	return nil
}

// compute has DuckDB compute the block from events.
func (b *blockRun) compute(ctx context.Context) error {
	s, err := b.p.fromEvents(ctx, b.x.e)
	if err != nil {
		return located(err, b.x.p.text)
	}
	rows, err := b.x.e.db.Query(ctx, s, []duck.Table{b.scan.table()})
	if err != nil {
		return located(err, b.x.p.text)
	}
	defer rows.Close()
	for {
		rec, err := rows.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return located(err, b.x.p.text)
		}
		b.report.Rows += rec.NumRows()
		b.result = append(b.result, rec)
		if err := b.x.hold(rec); err != nil {
			return err
		}
	}
}

// table hands the block's rows to the rest.
func (b *blockRun) table() duck.Table {
	if len(b.result) > 0 {
		return duck.Fixed(b.p.b.Name, b.result...)
	}
	none := array.NewRecordBuilder(memory.DefaultAllocator, b.p.schema)
	defer none.Release()
	return duck.Fixed(b.p.b.Name, none.NewRecord())
}

func (b *blockRun) release() {
	if b.q != nil {
		b.q.Close()
	}
	if b.scan != nil {
		b.scan.release()
	}
	for _, r := range b.result {
		r.Release()
	}
	b.q, b.result = nil, nil
}
