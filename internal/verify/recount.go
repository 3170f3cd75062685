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
// the base cuboid. Exact distinct counts of strings are left out, since their ids come from a dictionary.
func (r *cuboidRun) recount(ctx context.Context, b *built) error {
	n, err := r.newCounter()
	if err != nil {
		return err
	}
	for _, line := range b.Range {
		for _, e := range r.rowsOver(line) {
			if why := r.uncountable(b, e); why != "" {
				r.notCounted(why)
				return nil
			}
			_, used, err := asBuilt(e, b.named)
			if err != nil {
				r.notCounted(fmt.Sprintf("the supplements of %s do not fit its exceptions", e.Range))
				return nil
			}
			for _, s := range spansOf(e, used, line) {
				if ok, err := r.countSpan(ctx, n, e.Range, s); err != nil || !ok {
					return err
				}
			}
		}
	}
	r.count(func(*TableReport) { r.report.Recounted++ })
	if why := r.totals.Differs(n.totals, false); why != "" {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "the base cuboid does not add up to the staged events: %s", why)
	} else if column := r.prints.Differs(n.prints, r.base); column != "" {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "the base cuboid has not the cells of the staged events: %s adds up, but is in other rows", column)
	}
	return nil
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

// newCounter makes one of the measures that are exact and need no dictionary.
func (r *cuboidRun) newCounter() (*counter, error) {
	strings := r.layout.StringSets()
	l := *r.layout
	l.Measures = slices.DeleteFunc(slices.Clone(l.Measures), func(m cells.Measure) bool {
		return m.Function == cube.TopN ||
			m.Function == cube.CountDistinctExact && slices.Contains(strings, m.Column)
	})
	return &counter{layout: &l, totals: cuboid.NewTotals(&l), prints: cuboid.NewPrints(&l, r.base)}, nil
}

// countSpan reads what is kept of a file. ok is false where a problem was found.
func (r *cuboidRun) countSpan(ctx context.Context, n *counter, row segmenter.PartitionRange, s span) (ok bool, err error) {
	rd, err := stage.Open(ctx, r.o.Store, s.f.Key, s.f.Size)
	if err != nil {
		return false, r.tableRun.broken(ctx, row, s.f.Key, err)
	}
	defer rd.Close() // frees memory only, its error says nothing
	fields := n.layout.Fields(rd.Schema())
	for g, x := range rd.Groups() {
		if x.LastOffset < s.in.Start || x.FirstOffset >= s.in.End {
			continue
		}
		ch, err := rd.Read(ctx, g, fields)
		if err != nil {
			return false, r.tableRun.broken(ctx, row, s.f.Key, err)
		}
		block := n.layout.NewBlock(r.base)
		for from := 0; from < len(ch.Offsets); from++ {
			to := from
			for to < len(ch.Offsets) && s.keep(ch.Offsets[to]) {
				to++
			}
			if to == from {
				continue
			}
			if err := block.Add(rd.Schema(), ch, from, to, s.in.Partition); err != nil {
				r.wrong(CuboidCells, r.rd.FileOf(r.base), "it cannot have been made of %s: %v", s.f.Key, err)
				return false, nil
			}
			from = to
		}
		if block.Rows() == 0 {
			continue
		}
		if ok, err := r.countBlock(n, block); err != nil || !ok {
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
