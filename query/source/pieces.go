package source

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Set chooses events of a snapshot.
type Set struct {
	s      *Snapshot
	tail   bool
	ranges []segmenter.PartitionRange // of what is staged, ascending
	rows   bool                       // the snapshot has the rows of ranges
	under  bool                       // what segments hold too, of those that may have events of the times that are asked
}

// Tail is the events in memory. They must be read, and the snapshot released, before anything else is.
func (s *Snapshot) Tail() Set { return Set{s: s, tail: true} }

// Uncovered is the staged events that no segment holds.
func (s *Snapshot) Uncovered() Set { return Set{s: s, ranges: s.uncovered, rows: !s.Long} }

// Staged is all staged events, whichever segments hold them. Events of offsets that were requeued, or lost and read
// again, after their segment was built may be left out of it, as they are out of the segment.
func (s *Snapshot) Staged() Set { return Set{s: s, ranges: s.uncovered, rows: !s.Long, under: true} }

// Under is the staged events that some of the snapshot's segments hold: of those that cannot answer.
func (s *Snapshot) Under(list ...*catalog.SegmentEntry) Set {
	set := Set{s: s}
	for _, e := range list {
		for _, r := range e.Range {
			if !r.Empty() {
				set.ranges = append(set.ranges, r)
			}
		}
	}
	if s.Past != nil && len(s.Past.Excluded) > 0 {
		set.ranges = segmenter.Vector(set.ranges).Subtract(s.Past.Excluded)
	}
	slices.SortFunc(set.ranges, func(a, b segmenter.PartitionRange) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Start, b.Start))
	})
	return set
}

// piece is what is wanted of a chunk of the tail or of a staged file.
type piece struct {
	line   segmenter.PartitionRange // where its offsets lie
	keep   []offsets                // ascending
	file   *catalog.File            // nil: of the tail
	chunk  *stage.Chunk             // of the tail
	schema *stage.Schema
	sealed bool // the chunk will not change
}

// offsets are those in [from, to).
type offsets struct{ from, to int64 }

// where names a piece in errors.
func (p *piece) where() string {
	if p.file != nil {
		return "file " + p.file.Key
	}
	return "the tail of " + p.line.String()
}

// key names what is kept, in a key.
func (p *piece) keepKey() string {
	var b []byte
	for _, k := range p.keep {
		b = append(strconv.AppendInt(append(strconv.AppendInt(b, k.from, 36), '-'), k.to, 36), ' ')
	}
	return string(b)
}

// run is rows [from, to) of a chunk.
type run struct{ from, to int }

// rows returns the runs of rows whose offsets are kept.
func (p *piece) rows(list []int64) (out []run) {
	at := func(x int64) int { return sort.Search(len(list), func(i int) bool { return list[i] >= x }) }
	i := 0
	if len(list) > 0 {
		i = sort.Search(len(p.keep), func(i int) bool { return p.keep[i].to > list[0] })
	}
	for ; i < len(p.keep) && len(list) > 0 && p.keep[i].from <= list[len(list)-1]; i++ {
		r := run{at(p.keep[i].from), at(p.keep[i].to)}
		switch n := len(out); {
		case r.from == r.to:
		case n > 0 && out[n-1].to == r.from:
			out[n-1].to = r.to
		default:
			out = append(out, r)
		}
	}
	return out
}

// mayHold reports whether a row group may hold kept offsets.
func (p *piece) mayHold(g stage.Group) bool {
	i := sort.Search(len(p.keep), func(i int) bool { return p.keep[i].to > g.FirstOffset })
	return i < len(p.keep) && p.keep[i].from <= g.LastOffset
}

// inTime cuts runs down to the rows whose event times are asked for.
func inTime(s *stage.Schema, c *stage.Chunk, runs []run, times spans) (out []run) {
	if times.within(c.MinTimeUs, c.MaxTimeUs) {
		return runs
	}
	column := &c.Columns[s.EventTime]
	for _, r := range runs {
		open := false
		for i := r.from; i < r.to; i++ {
			if !times.contain(s.TimeUs(column.Int(i))) {
				open = false
				continue
			}
			if open {
				out[len(out)-1].to++
			} else {
				out, open = append(out, run{i, i + 1}), true
			}
		}
	}
	return out
}

// pieces lists what a set holds of times, in order: chunks of the tail, or files by partition, generation and offset, each with
// its supplements.
func (set *Set) pieces(ctx context.Context, times spans) iter.Seq2[piece, error] {
	if set.tail {
		return set.tailPieces(times)
	}
	return func(yield func(piece, error) bool) {
		sets := []Set{*set}
		if set.under {
			sets = append(sets, set.s.Under(set.s.segmentsOf(times)...))
		}
		for _, set := range sets {
			for e, err := range set.entries(ctx, times) {
				if err != nil {
					yield(piece{}, err)
					return
				}
				for _, p := range set.ofRow(e) {
					if !yield(p, nil) {
						return
					}
				}
			}
		}
	}
}

// segmentsOf lists the segments that may have events of times, each once.
func (s *Snapshot) segmentsOf(times spans) (list []*catalog.SegmentEntry) {
	if len(times) == 0 {
		return s.Segments
	}
	for i, span := range times {
		for _, e := range s.SegmentsIn(span.Lo, span.Hi) {
			if i == 0 || !times[:i].overlap(e.MinTimeUs, e.MaxTimeUs) {
				list = append(list, e)
			}
		}
	}
	return list
}

func (set *Set) tailPieces(times spans) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for i := range set.s.tail {
			t := &set.s.tail[i]
			for n, c := range t.Chunks {
				rows := c.Rows()
				if rows == 0 || c.Offsets[rows-1] < t.keep.Start || c.Offsets[0] >= t.keep.End || !times.overlap(c.MinTimeUs, c.MaxTimeUs) {
					continue
				}
				keep := offsets{max(t.keep.Start, c.Offsets[0]), min(t.keep.End, c.Offsets[rows-1]+1)}
				if !yield(piece{line: t.keep, keep: []offsets{keep}, chunk: c, schema: t.Schema, sealed: n < t.Sealed}, nil) {
					return
				}
			}
		}
	}
}

// ofRow returns the files of a row with what is wanted of them.
func (set *Set) ofRow(e *catalog.LedgerEntry) (list []piece) {
	parts := clip(e.Range, set.ranges)
	if e.File != nil && e.File.Records > 0 && len(parts) > 0 {
		p := piece{line: e.Range, file: e.File}
		for _, r := range parts {
			p.keep = append(p.keep, offsets{r.Start, r.End})
		}
		list = append(list, p)
	}
	for _, s := range e.Supplements {
		p := piece{line: e.Range, file: s.File}
		at := 0
		for _, o := range s.Offsets {
			for at < len(parts) && parts[at].End <= o {
				at++
			}
			if at == len(parts) || parts[at].Start > o {
				continue
			}
			if n := len(p.keep); n > 0 && p.keep[n-1].to == o {
				p.keep[n-1].to++
			} else {
				p.keep = append(p.keep, offsets{o, o + 1})
			}
		}
		if len(p.keep) > 0 {
			list = append(list, p)
		}
	}
	return list
}

// entries lists the ledger rows with events of a set that may have events of times (E4), those of a span after those of the one
// before it, each once.
func (set *Set) entries(ctx context.Context, times spans) iter.Seq2[*catalog.LedgerEntry, error] {
	return func(yield func(*catalog.LedgerEntry, error) bool) {
		if len(set.ranges) == 0 {
			return
		}
		if set.rows {
			for i := range set.s.Lines {
				for _, e := range set.s.Lines[i].Rows {
					if e.Events > 0 && times.overlap(e.MinTimeUs, e.MaxTimeUs) && !yield(e, nil) {
						return
					}
				}
			}
			return
		}
		if len(times) == 0 {
			times = spans{Always()}
		}
		for i, span := range times {
			for e, err := range set.asked(ctx, span) {
				if err == nil && times[:i].overlap(e.MinTimeUs, e.MaxTimeUs) && i > 0 {
					continue // it came before
				}
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// asked asks the catalog for the rows of a span, page by page.
func (set *Set) asked(ctx context.Context, span Span) iter.Seq2[*catalog.LedgerEntry, error] {
	return func(yield func(*catalog.LedgerEntry, error) bool) {
		q := catalog.StagedQuery{Snapshot: set.s.QuerySnapshot, Ranges: set.ranges, Limit: pageRows}
		if span != Always() {
			q.FromUs, q.ToUs = span.Lo, span.Hi
			if q.FromUs == 0 && q.ToUs == 0 { // would mean all
				q.FromUs = math.MinInt64
			}
		}
		for {
			page, err := set.s.source.o.Catalog.Staged(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) < q.Limit {
				return
			}
			q.After = &page[len(page)-1].Range
		}
	}
}

// pageRows is how many ledger rows are asked for at once.
const pageRows = 1000
