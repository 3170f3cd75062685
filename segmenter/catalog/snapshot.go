package catalog

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// QuerySnapshot is what a query must know of a table and one of its cubes, of one state of the catalog. It never changes: many
// queries share one, and those that follow share what is the same.
type QuerySnapshot struct {
	TableID    string
	CubeID     string             // "": of no cube, so that no segment covers anything
	Cube       CubeInfo           // zero without a cube
	Versions   map[int]*cube.Cube // of the segments, and the newest
	Segments   []*SegmentEntry    // ready and with cuboids; by lowest event time
	Partitions []PartitionInfo
	Lines      []QueryLine // a generation of a partition each, ascending
	Change     int64       // as TableChange

	// Long: more ledger rows are uncovered than Options.SnapshotRows. Rows and Staged of all lines are not set; ask Catalog.Staged
	// for rows.
	Long bool

	Past *Past // nil: of the present

	mark  snapshotMark
	rows  int     // in all lines
	upTo  []int64 // of Segments[:i+1], the highest event time
	moved int64   // revision of the cube whose segments are known
}

// snapshotMark differs between two states of a table and a cube.
type snapshotMark struct {
	table TableMark
	cube  int64 // revision
}

// QueryLine is what is known of one generation of a partition.
type QueryLine struct {
	segmenter.Generation                            // what is committed of it
	Uncovered            []segmenter.PartitionRange // what no ready segment with cuboids holds of that, ascending
	Rows                 []*LedgerEntry             // that have offsets in Uncovered, ascending
	Built                segmenter.Measure          // what the segments' parts add up to; without times
	Staged               segmenter.Measure          // what Rows say of Uncovered; without times

	covered []segmenter.PartitionRange // by segments, ascending; neighbours are one
}

// SameEvents reports whether two snapshots of a table, of different cubes, hold the same events.
func (s *QuerySnapshot) SameEvents(o *QuerySnapshot) bool {
	return s.TableID == o.TableID && s.mark.table == o.mark.table
}

// SegmentsIn returns the segments with events whose measured times intersect [fromUs, toUs], by lowest time. It costs what it
// finds, and what lies between it.
func (s *QuerySnapshot) SegmentsIn(fromUs, toUs int64) (list []*SegmentEntry) {
	n := sort.Search(len(s.Segments), func(i int) bool { return s.Segments[i].MinTimeUs > toUs })
	for i := n - 1; i >= 0 && s.upTo[i] >= fromUs; i-- {
		if e := s.Segments[i]; e.Events > 0 && e.MaxTimeUs >= fromUs {
			list = append(list, e)
		}
	}
	slices.Reverse(list)
	return list
}

// Line returns what is known of a generation, or nil.
func (s *QuerySnapshot) Line(partition, generation int32) *QueryLine {
	i, ok := slices.BinarySearchFunc(s.Lines, segmenter.PartitionRange{Partition: partition, Generation: generation},
		func(l QueryLine, r segmenter.PartitionRange) int {
			return cmp.Or(cmp.Compare(l.Partition, r.Partition), cmp.Compare(l.Generation.Generation, r.Generation))
		})
	if !ok {
		return nil
	}
	return &s.Lines[i]
}

// Newest returns the present generation of a partition, or nil where it has not begun.
func (s *QuerySnapshot) Newest(partition int32) *QueryLine {
	n := sort.Search(len(s.Lines), func(i int) bool { return s.Lines[i].Partition > partition })
	if n == 0 || s.Lines[n-1].Partition != partition {
		return nil
	}
	return &s.Lines[n-1]
}

// withSegments returns the segments of s after some have changed, in order, and the highest times up to each.
func (s *QuerySnapshot) withSegments(changed []*SegmentEntry) (list []*SegmentEntry, upTo []int64) {
	gone := make(map[int64]bool, len(changed))
	for _, e := range changed {
		gone[e.Number] = true
	}
	for _, e := range s.Segments {
		if !gone[e.Number] {
			list = append(list, e)
		}
	}
	for _, e := range changed {
		if covers(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *SegmentEntry) int {
		return cmp.Or(cmp.Compare(a.MinTimeUs, b.MinTimeUs), cmp.Compare(a.Number, b.Number))
	})
	upTo = make([]int64, len(list))
	for i, e := range list {
		if upTo[i] = e.MaxTimeUs; i > 0 {
			upTo[i] = max(upTo[i], upTo[i-1])
		}
	}
	return list, upTo
}

// covers reports whether a segment answers for its offsets.
func covers(e *SegmentEntry) bool { return e.State == segmenter.SegmentReady && !e.Bare }

// known returns the segment of that number.
func (s *QuerySnapshot) known(number int64) *SegmentEntry {
	i := slices.IndexFunc(s.Segments, func(e *SegmentEntry) bool { return e.Number == number })
	if i < 0 {
		return nil
	}
	return s.Segments[i]
}

// counts is m without its times: counts can be taken away again.
func counts(m segmenter.Measure) segmenter.Measure {
	m.MinTimeUs, m.MaxTimeUs = 0, 0
	return m
}

func lessCounts(m, o segmenter.Measure) segmenter.Measure {
	m.Events -= o.Events
	m.Gaps -= o.Gaps
	m.Quarantined -= o.Quarantined
	m.Skipped -= o.Skipped
	m.Lost -= o.Lost
	return m
}

// joined sorts ranges of one line that do not overlap, and makes one of neighbours.
func joined(list []segmenter.PartitionRange) (out []segmenter.PartitionRange) {
	slices.SortFunc(list, compareRanges)
	for _, r := range list {
		if n := len(out); n > 0 && out[n-1].End >= r.Start {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}
