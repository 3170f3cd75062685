package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// defaultSpan is the event time that one segment of a backfill holds.
const defaultSpan = 4 * time.Hour

// SliceInput is what Slice looks at.
type SliceInput struct {
	Window       Window
	Span         time.Duration         // of event time a segment of a backfill holds; 0: 4 hours
	RowsPerBuild int64                 // and of offsets; 0: no limit
	Room         int                   // how many more segments may be new at a time
	Segments     []segmenter.Segment   // new and ready ones
	Rows         []segmenter.LedgerRow // the ledger's over the window and Span behind it, in order; more do no harm
	By           string
}

// SlicePlan is what brings a slice of time up to date.
type SlicePlan struct {
	Build   []Cut
	Refresh []Refresh
	Left    []Left // segments of the slice that are being built
	Why     string // what was found
}

// String says what was found, and has a line for each segment.
func (p SlicePlan) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.Why)
	for _, c := range p.Build {
		fmt.Fprintf(&b, "build %s: %s\n", c.Range, c.Reason)
	}
	b.WriteString(RefreshPlan{Refresh: p.Refresh, Left: p.Left}.String())
	return b.String()
}

// Slice plans a slice of event time anew. What lies in it is decided by the staged rows that may have events of it, so by
// offsets: if segments hold none of those offsets, they are built, with all of the first Span behind the slice's begin; if
// segments hold all of them, those are refreshed; else the rest is built (S16).
func Slice(in SliceInput) SlicePlan {
	if in.Span <= 0 {
		in.Span = defaultSpan
	}
	var taken []segmenter.PartitionRange
	for _, s := range in.Segments {
		if s.Live() {
			taken = append(taken, s.Range...)
		}
	}
	touched := rowsIn(in.Rows, in.Window)
	if len(touched) == 0 {
		return SlicePlan{Why: "no staged event is of that time"}
	}
	all := rangesOf(touched)
	free := all.Subtract(taken)
	switch {
	case length(free) == 0:
		return in.refresh(all)
	case length(free) < length(all):
		p := in.build(in.Window, taken)
		p.Why = fmt.Sprintf("segments hold %d of %d offsets: build the rest", length(all)-length(free), length(all))
		return p
	}
	w := in.Window
	if w.MinUs > math.MinInt64 && w.MinUs <= math.MaxInt64-in.Span.Microseconds() {
		w.MaxUs = max(w.MaxUs, w.MinUs+in.Span.Microseconds()-1)
	}
	p := in.build(w, taken)
	p.Why = fmt.Sprintf("no segment holds any of %d offsets: build them", length(all))
	return p
}

func length(ranges []segmenter.PartitionRange) int64 { return segmenter.Vector(ranges).Len() }

func rowsIn(rows []segmenter.LedgerRow, w Window) []segmenter.LedgerRow {
	var out []segmenter.LedgerRow
	for _, r := range rows {
		if r.State == segmenter.Staged && w.Holds(segmenter.Measure{Events: r.Events, MinTimeUs: r.MinTimeUs, MaxTimeUs: r.MaxTimeUs}) {
			out = append(out, r)
		}
	}
	return out
}

// refresh takes every ready segment that holds some of the offsets.
func (in SliceInput) refresh(all []segmenter.PartitionRange) SlicePlan {
	p := SlicePlan{Why: "segments hold all of it: refresh them"}
	inputs := RefreshInput{Changed: make(map[int64]string), Room: in.Room}
	for _, s := range in.Segments {
		holds := slices.ContainsFunc(all, func(r segmenter.PartitionRange) bool {
			return s.Range.Overlaps(segmenter.Vector{r})
		})
		switch {
		case !holds:
		case s.State == segmenter.SegmentReady:
			inputs.Segments = append(inputs.Segments, s)
			inputs.Changed[s.Number] = "request by " + in.By
		case s.State == segmenter.SegmentNew:
			inputs.Segments = append(inputs.Segments, s)
			p.Left = append(p.Left, Left{Segment: s.Number, Why: "it is being built"})
		}
	}
	r := Refreshes(inputs)
	p.Refresh, p.Left = r.Refresh, append(p.Left, r.Left...)
	return p
}

// build cuts the free offsets of w into segments of a span each.
func (in SliceInput) build(w Window, taken []segmenter.PartitionRange) SlicePlan {
	var p SlicePlan
	live := ordered(in.Segments, (*segmenter.Segment).Live)
	done := slices.Clone(taken)
	for len(p.Build) < in.Room {
		part := w
		part.MinUs = math.MaxInt64
		left := unbuilt(rowsIn(in.Rows, w), done)
		for _, r := range left {
			part.MinUs = min(part.MinUs, max(r.MinTimeUs, w.MinUs))
		}
		if len(left) == 0 {
			break
		}
		if span := max(in.Span.Microseconds(), 1); part.MinUs <= math.MaxInt64-span {
			part.MaxUs = min(w.MaxUs, part.MinUs+span-1)
		}
		pieces := stretch(rowsIn(left, part), in.Rows, done)
		if len(pieces) == 0 {
			panic(fmt.Sprintf("S16: %d rows of [%d,%d] us are not built, but nothing of them is free", len(left), part.MinUs, part.MaxUs))
		}
		for _, v := range pieces {
			done = append(done, v...)
			switch next := nextOf(live, v[0]); {
			case next >= 0:
				v = complete(v, live[next].Range.Starts())
			case len(p.Build) > 0:
				v = complete(v, p.Build[len(p.Build)-1].Range.Ends())
			case len(live) > 0:
				v = complete(v, live[len(live)-1].Range.Ends())
			}
			for _, piece := range Split(v, in.RowsPerBuild, in.Room-len(p.Build)) {
				p.Build = append(p.Build, Cut{Range: piece, Reason: "request by " + in.By})
			}
		}
	}
	return p
}

// unbuilt returns the rows of which some offset is not taken.
func unbuilt(rows []segmenter.LedgerRow, taken []segmenter.PartitionRange) []segmenter.LedgerRow {
	free := rangesOf(rows).Subtract(taken) // in the order of rows
	var out []segmenter.LedgerRow
	for _, row := range rows {
		if len(free) > 0 && free[0].Overlaps(row.Range) {
			out = append(out, row)
		}
		for len(free) > 0 && free[0].Overlaps(row.Range) {
			free = free[1:]
		}
	}
	return out
}

func rangesOf(rows []segmenter.LedgerRow) segmenter.Vector {
	out := make(segmenter.Vector, len(rows))
	for i, r := range rows {
		out[i] = r.Range
	}
	return out
}

// stretch returns vectors of the free offsets from the first to the last touched row of each line; staged rows between
// them are taken along, so that no new hole is made. The n-th free piece of every line is in the n-th vector.
func stretch(touched, rows []segmenter.LedgerRow, taken []segmenter.PartitionRange) []segmenter.Vector {
	var lines segmenter.Vector
	for _, row := range touched {
		i := slices.IndexFunc(lines, row.Range.SameLine)
		if i < 0 {
			lines = append(lines, row.Range)
			continue
		}
		lines[i].Start, lines[i].End = min(lines[i].Start, row.Range.Start), max(lines[i].End, row.Range.End)
	}
	lines = sorted(lines)
	missing := lines.Subtract(rangesOf(rows))
	var out []segmenter.Vector
	for _, line := range lines {
		for n, free := range (segmenter.Vector{line}).Subtract(slices.Concat(taken, missing)) {
			if n == len(out) {
				out = append(out, nil)
			}
			out[n] = append(out[n], free)
		}
	}
	return out
}
