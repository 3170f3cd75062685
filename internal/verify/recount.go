package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// recount groups the events of the segment's inputs again, a row group at a time, and holds what they add up to against
// the base cuboid.
func (r *cuboidRun) recount(ctx context.Context, b *built) error {
	inputs, why := r.countable(b)
	if why != "" {
		r.notCounted(why)
		return nil
	}
	n := r.newCounter(r.layout.StringSets())
	ids, ok, err := r.findIDs(ctx, b, inputs)
	if err != nil || !ok {
		return err
	}
	if ids != nil {
		defer ids.close()
		n = r.newCounter(nil)
	}
	block := 0
	for _, in := range inputs {
		ok, err := r.eachGroup(ctx, in, n.layout.Fields, func(g *countedGroup) (bool, error) {
			events := n.layout.NewBlock(r.base)
			if ids != nil {
				events.IDs = ids.of(ctx, block)
			}
			block++
			for _, run := range g.runs {
				if err := events.Add(g.schema, g.chunk, run[0], run[1], in.row.Partition); err != nil {
					r.wrong(CuboidCells, r.rd.FileOf(r.base), "it cannot have been made of %s: %v", in.f.Key, err)
					return false, nil
				}
			}
			n.weigh(g)
			return r.countBlock(n, events)
		})
		if err != nil || !ok {
			return err
		}
	}
	r.count(func(*TableReport) { r.report.Recounted++ })
	r.totals.Learn(n.totals)
	r.recounted = true
	if why := r.totals.Differs(n.totals, true); why != "" {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "the base cuboid does not add up to the staged events: %s", why)
	} else if column := r.prints.Differs(n.prints, r.base); column != "" {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "the base cuboid has not the cells of the staged events: %s adds up, but is in other rows", column)
	}
	return nil
}

// countedSpan is what a segment was built from of a file of a ledger row.
type countedSpan struct {
	span
	row segmenter.PartitionRange
}

// countable lists what the segment was built from; why says what is not known of it any more.
func (r *cuboidRun) countable(b *built) (inputs []countedSpan, why string) {
	for _, line := range b.Range {
		for _, e := range r.rowsOver(line) {
			if why := r.uncountable(b, e); why != "" {
				return nil, why
			}
			_, used, err := asBuilt(e, b.named)
			if err != nil {
				return nil, fmt.Sprintf("the supplements of %s do not fit its exceptions", e.Range)
			}
			for _, s := range spansOf(e, used, line) {
				inputs = append(inputs, countedSpan{s, e.Range})
			}
		}
	}
	return inputs, ""
}

// notCounted lists the segment as one whose events were not counted again.
func (r *cuboidRun) notCounted(why string) {
	r.count(func(*TableReport) {
		r.uncounted = append(r.uncounted, UncountedSegment{Cube: r.name(), Segment: r.s.Number, Why: why})
	})
}

// uncountable says why the events of a row are not known as they were when the segment was built; "": they are.
func (c *cubeRun) uncountable(b *built, e *catalog.LedgerEntry) string {
	for _, f := range filesOf(e) {
		_, named := b.named[f.Key]
		later := f != e.File && f != e.LedgerFile && !named // a supplement that came since
		switch {
		case later:
		case !named:
			return fmt.Sprintf("it was built from what %s has replaced", f.Key)
		case c.isWrong(f.Key):
			return fmt.Sprintf("a problem names its input %s", f.Key)
		}
	}
	if b.mixed && len(e.Supplements) > 0 {
		return fmt.Sprintf("its parts were built before and after a requeue of %s", e.Range)
	}
	return ""
}

// spansOf lists what a row's files hold of a line.
func spansOf(e *catalog.LedgerEntry, used []catalog.Supplement, line segmenter.PartitionRange) (spans []span) {
	if e.File != nil {
		spans = append(spans, span{f: e.File, in: line, keep: line.Contains})
	}
	for _, s := range used {
		spans = append(spans, span{f: s.File, in: line, keep: func(off int64) bool {
			_, mine := slices.BinarySearch(s.Offsets, off)
			return mine && line.Contains(off)
		}})
	}
	return spans
}

// counter adds events up.
type counter struct {
	layout *cells.Layout
	totals *cuboid.Totals
	prints *cuboid.Prints
}

// newCounter makes one of all measures but the exact distinct counts of some columns.
func (r *cuboidRun) newCounter(without []string) *counter {
	l := *r.layout
	l.Measures = slices.DeleteFunc(slices.Clone(l.Measures), func(m cells.Measure) bool {
		return m.Function == cube.CountDistinctExact && slices.Contains(without, m.Column)
	})
	return &counter{layout: &l, totals: cuboid.NewEventTotals(&l), prints: cuboid.NewPrints(&l, r.base)}
}

// weigh takes in how large the float64 are that are added up.
func (n *counter) weigh(g *countedGroup) {
	for _, at := range n.layout.Fields(g.schema) {
		if g.schema.Fields[at].Kind != stage.Float64 {
			continue
		}
		for _, run := range g.runs {
			n.totals.Weigh(g.schema.Fields[at].Name, &g.chunk.Columns[at], run[0], run[1])
		}
	}
}

// countedGroup is the events of a row group that count: rows [from, to) of runs.
type countedGroup struct {
	schema *stage.Schema
	chunk  *stage.Chunk
	runs   [][2]int
}

// eachGroup reads the row groups of which something counts, in order: of each the columns that want names. ok is false where
// a problem was found, by each too.
func (r *cuboidRun) eachGroup(ctx context.Context, in countedSpan, want func(*stage.Schema) []int, each func(*countedGroup) (ok bool, err error)) (ok bool, err error) {
	rd, err := stage.Open(ctx, r.o.Store, in.f.Key, in.f.Size)
	if err != nil {
		return false, r.tableRun.broken(ctx, in.row, in.f.Key, err)
	}
	defer rd.Close() // frees memory only, its error says nothing
	fields := want(rd.Schema())
	for i, x := range rd.Groups() {
		if x.LastOffset < in.in.Start || x.FirstOffset >= in.in.End {
			continue
		}
		ch, err := rd.Read(ctx, i, fields)
		if err != nil {
			return false, r.tableRun.broken(ctx, in.row, in.f.Key, err)
		}
		g := countedGroup{schema: rd.Schema(), chunk: ch}
		for from := 0; from < len(ch.Offsets); from++ {
			to := from
			for to < len(ch.Offsets) && in.keep(ch.Offsets[to]) {
				to++
			}
			if to > from {
				g.runs = append(g.runs, [2]int{from, to})
				from = to
			}
		}
		if len(g.runs) == 0 {
			continue
		}
		if ok, err := each(&g); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (r *cuboidRun) countBlock(n *counter, block *cells.Block) (ok bool, err error) {
	c, err := block.Cells()
	if err == nil {
		n.prints.Add(n.layout, c)
		err = n.totals.Add(c)
	}
	var over *cells.OverflowError
	if errors.As(err, &over) {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "it cannot have been made of its inputs: %v", err)
		return false, nil
	}
	return err == nil, err
}
