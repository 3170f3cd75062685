package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Hole is a range of offsets that nothing covers (S12), between two neighbours of a cube's segments, or before the first.
type Hole struct {
	Range  segmenter.Vector // complete (S7): partitions without missing offsets have an empty range
	After  int64            // number of the segment before it; 0: it is at the front
	Before int64            // number of the segment that goes on behind it

	Staged  []segmenter.PartitionRange // can be built at once
	Missing []segmenter.PartitionRange // neither staged nor named by the ledger: to be read again from Kafka, or declared lost
}

// Fillable reports whether staged files hold all of the hole.
func (h Hole) Fillable() bool { return len(h.Missing) == 0 }

// Place says between which segments it lies.
func (h Hole) Place() string {
	if h.After == 0 {
		return fmt.Sprintf("before segment %d", h.Before)
	}
	return fmt.Sprintf("between segments %d and %d", h.After, h.Before)
}

// String names the range and what could fill it.
func (h Hole) String() string {
	s := fmt.Sprintf("hole %s %s: ", h.Range, h.Place())
	switch {
	case len(h.Missing) == 0:
		return s + "staged"
	case len(h.Staged) == 0:
		return s + "not staged"
	}
	return s + fmt.Sprintf("staged but for %s", segmenter.Vector(h.Missing))
}

// Holder is a cube as Gaps and Holes look at it.
type Holder struct {
	Front       segmenter.Vector // where it begins (S17); nil: not known, it begins with its first ready segment
	Segments    []segmenter.Segment
	Generations segmenter.Generations // all that the segments name
}

// Gaps returns the offsets between the front and the end of the last ready segment that no new or ready segment covers,
// ascending. They are the only places of the ledger that Holes needs to see. A partition that the front says nothing of counts
// from its first known offset.
func (c Holder) Gaps() []segmenter.PartitionRange {
	lines := c.span()
	taken := make([][]segmenter.PartitionRange, len(lines)) // by line: so they are nearly sorted
	for _, s := range ordered(c.Segments, (*segmenter.Segment).Live) {
		for _, r := range s.Range {
			if i, ok := slices.BinarySearchFunc(lines, r, compareLine); ok {
				taken[i] = append(taken[i], r)
			}
		}
	}
	return lines.Subtract(slices.Concat(taken...))
}

// span returns every line from the front to the end of the last ready segment.
func (c Holder) span() segmenter.Vector {
	ready := ordered(c.Segments, func(s *segmenter.Segment) bool { return s.State == segmenter.SegmentReady })
	if len(ready) == 0 {
		return nil
	}
	front := c.Front
	if len(front) == 0 {
		front = ready[0].Range.Starts()
	}
	type extent struct{ first, last segmenter.PartitionRange }
	extents := make(map[int32]extent)
	for _, s := range ready {
		for _, r := range s.Range {
			p, ok := extents[r.Partition]
			if !ok {
				p = extent{first: r, last: r}
			}
			if comparePlaces(r, p.first) < 0 {
				p.first = r
			}
			if cmp.Or(cmp.Compare(r.Generation, p.last.Generation), cmp.Compare(r.End, p.last.End)) > 0 {
				p.last = r
			}
			extents[r.Partition] = p
		}
	}
	var out segmenter.Vector
	for partition, p := range extents {
		begin, ok := place(front, partition)
		if of := c.Generations.Of(partition); !ok && len(of) > 0 {
			begin, ok = of[0].Range(), true
		}
		if ok && comparePlaces(begin, p.first) < 0 {
			p.first = begin
		}
		out = append(out, c.lines(p.first, p.last)...)
	}
	return sorted(out)
}

// lines returns what lies between the start of one range of a partition and the end of another.
func (c Holder) lines(first, last segmenter.PartitionRange) (out segmenter.Vector) {
	if first.Generation == last.Generation {
		first.End = last.End
		return segmenter.Vector{first}
	}
	for _, x := range c.Generations.Of(first.Partition) {
		r := x.Range()
		switch {
		case r.Generation == first.Generation:
			first.End = r.End
		case r.Generation == last.Generation:
			last.Start = r.Start
		case r.Generation > first.Generation && r.Generation < last.Generation:
			out = append(out, r)
		}
	}
	return append(out, first, last)
}

// Holes returns the holes of a cube (S12) in their order in the log, one for each pair of neighbours and more where a
// skip or loss lies between. rows are the ledger's over Gaps; more do no harm.
func (c Holder) Holes(rows []segmenter.LedgerRow) []Hole {
	var named, staged []segmenter.PartitionRange
	for _, row := range rows {
		if row.State == segmenter.Staged {
			staged = append(staged, row.Range)
		} else {
			named = append(named, row.Range)
		}
	}
	live := ordered(c.Segments, (*segmenter.Segment).Live)
	type key struct{ next, nth int }
	groups := make(map[key]segmenter.Vector)
	type lineKey struct {
		next                  int
		partition, generation int32
	}
	count := make(map[lineKey]int) // gaps of one line before one segment
	for _, gap := range segmenter.Vector(c.Gaps()).Subtract(named) {
		next := nextOf(live, gap)
		line := lineKey{next, gap.Partition, gap.Generation}
		k := key{next, count[line]}
		count[line]++
		groups[k] = append(groups[k], gap)
	}
	out := make([]Hole, 0, len(groups))
	for k, v := range groups {
		v = sorted(v)
		h := Hole{Range: complete(v, live[k.next].Range.Starts()), Before: live[k.next].Number}
		if k.next > 0 {
			h.After = live[k.next-1].Number
		}
		h.Missing = v.Subtract(staged)
		h.Staged = v.Subtract(h.Missing)
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b Hole) int { return a.Range.Compare(b.Range) })
	return out
}

// nextOf returns the index of the first segment that goes on behind gap, in its generation or a later one; -1 where none
// does.
func nextOf(live []*segmenter.Segment, gap segmenter.PartitionRange) int {
	best, at := -1, segmenter.PartitionRange{Generation: math.MaxInt32}
	for i, s := range live {
		for _, r := range s.Range {
			if r.Partition != gap.Partition || r.Generation < gap.Generation || (r.Generation == gap.Generation && r.Start < gap.End) {
				continue
			}
			if comparePlaces(r, at) < 0 {
				best, at = i, r
			}
		}
	}
	return best
}

// complete adds the places of partitions that v says nothing of (S7).
func complete(v, places segmenter.Vector) segmenter.Vector {
	out := slices.Clone(v)
	for _, p := range places {
		if !slices.ContainsFunc(v, func(r segmenter.PartitionRange) bool { return r.Partition == p.Partition }) {
			out = append(out, p)
		}
	}
	return sorted(out)
}

// ordered returns the segments that keep says, in their order in the log.
func ordered(segments []segmenter.Segment, keep func(*segmenter.Segment) bool) []*segmenter.Segment {
	out := make([]*segmenter.Segment, 0, len(segments))
	for i := range segments {
		if keep(&segments[i]) {
			out = append(out, &segments[i])
		}
	}
	inOrder := func(a, b *segmenter.Segment) int {
		return cmp.Or(a.Range.Compare(b.Range), cmp.Compare(a.Number, b.Number))
	}
	if !slices.IsSortedFunc(out, inOrder) {
		slices.SortFunc(out, inOrder)
	}
	return out
}

// sorted puts v in the order of a vector, in place.
func sorted(v segmenter.Vector) segmenter.Vector {
	slices.SortFunc(v, compareLine)
	return v
}

// comparePlaces orders starts of ranges of one partition.
func comparePlaces(a, b segmenter.PartitionRange) int {
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Start, b.Start))
}

func compareLine(a, b segmenter.PartitionRange) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Generation, b.Generation))
}
