package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"pgregory.net/rapid"
)

// offset is one offset of the slow models.
type offset struct {
	partition, generation int32
	at                    int64
}

type offsets map[offset]bool

func setOf(ranges ...segmenter.PartitionRange) offsets {
	m := make(offsets)
	for _, r := range ranges {
		for o := r.Start; o < r.End; o++ {
			m[offset{r.Partition, r.Generation, o}] = true
		}
	}
	return m
}

func (m offsets) add(o offsets) {
	for k := range o {
		m[k] = true
	}
}

func equal(a, b offsets) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// drawGenerations returns two or three partitions of up to three generations.
func drawGenerations(t *rapid.T) segmenter.Generations {
	var g segmenter.Generations
	for p := range rapid.Int32Range(1, 3).Draw(t, "partitions") {
		last := rapid.Int32Range(0, 2).Draw(t, "generations")
		for n := range last + 1 {
			start := rapid.Int64Range(0, 3).Draw(t, "start")
			g = append(g, segmenter.Generation{
				Partition: p, Generation: n, Start: start, End: start + rapid.Int64Range(0, 30).Draw(t, "len"), Closed: n < last,
			})
		}
	}
	return g
}

// drawCube cuts segments one after another as the planner does, with times that mostly go forward.
func drawCube(t *rapid.T, g segmenter.Generations) []segmenter.Segment {
	pending, err := Pending(nil, g)
	if err != nil {
		t.Fatal(err)
	}
	var out []segmenter.Segment
	at := int64(0)
	for i, v := range Split(pending, rapid.Int64Range(1, 12).Draw(t, "rows"), 100) {
		at += rapid.Int64Range(0, 50).Draw(t, "step")
		s := segmenter.Segment{
			CubeID: "c1", Number: int64(i + 1), State: segmenter.SegmentReady, Version: 1, Range: v, Events: v.Len(),
			MinTimeUs: at - rapid.Int64Range(0, 20).Draw(t, "late"), MaxTimeUs: at,
		}
		if rapid.IntRange(0, 9).Draw(t, "no events") == 0 {
			s.Events, s.MinTimeUs, s.MaxTimeUs = 0, 0, 0
		}
		for _, r := range v {
			s.Parts = append(s.Parts, segmenter.PartMeasure{
				Partition: r.Partition, Generation: r.Generation,
				Measure: segmenter.Measure{Events: min(s.Events, r.Len()), MinTimeUs: s.MinTimeUs, MaxTimeUs: s.MaxTimeUs},
			})
		}
		out = append(out, s)
	}
	return out
}

// S11: the pieces of a split are disjoint, abut, hold everything and are no larger than they may be.
func TestSplitKeepsEveryOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGenerations(t)
		v, err := Pending(nil, g)
		if err != nil {
			t.Fatal(err)
		}
		rows := rapid.Int64Range(1, 40).Draw(t, "rows")
		limit := rapid.IntRange(0, 100).Draw(t, "limit")
		pieces := Split(v, rows, limit)
		if want := min(int((v.Len()+rows-1)/rows), limit); len(pieces) != want {
			t.Fatalf("S11: %s by %d rows: %d pieces, want %d", v, rows, len(pieces), want)
		}
		all := make(offsets)
		var before segmenter.Vector
		for i, p := range pieces {
			if err := p.Validate(); err != nil || p.Len() > rows || p.Empty() {
				t.Fatalf("S11: piece %s of %s by %d rows: %v", p, v, rows, err)
			}
			if p.Len() < pieces[0].Len()-1 {
				t.Fatalf("S11: piece %d of %s has %d offsets, the first %d", i, v, p.Len(), pieces[0].Len())
			}
			if len(p.Starts()) != len(v.Starts()) {
				t.Fatalf("S7: piece %s does not name every partition of %s", p, v)
			}
			if i > 0 {
				if err := before.Adjacent(p, g); err != nil {
					t.Fatalf("S11: piece %s after %s: %v", p, before, err)
				}
			}
			before = p
			if n := len(all); true {
				all.add(setOf(p...))
				if int64(len(all)-n) != p.Len() {
					t.Fatalf("S11: piece %s holds offsets of an earlier one", p)
				}
			}
		}
		if len(pieces) < limit && !equal(all, setOf(v...)) {
			t.Fatalf("S11: pieces %v hold %d offsets of %d", pieces, len(all), v.Len())
		}
	})
}

// S11: a plan of cuts begins where the last segment ends, and after enough of them all that was read is in a segment.
func TestCutsReachTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGenerations(t)
		rules := CutRules{Age: time.Minute, RowsPerBuild: rapid.Int64Range(1, 20).Draw(t, "rows per build")}
		var segments []segmenter.Segment
		all := make(offsets)
		for pass := 0; ; pass++ {
			in := CutInput{
				Rules: rules, Now: time.Unix(1000, 0), Generations: g, From: NextStart(segments, nil, g),
				Room: rapid.IntRange(1, 3).Draw(t, "room"),
			}
			p, err := Cuts(in)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Cuts) == 0 {
				break
			}
			for _, c := range p.Cuts {
				n := len(all)
				all.add(setOf(c.Range...))
				if int64(len(all)-n) != c.Range.Len() || c.Range.Len() > rules.RowsPerBuild {
					t.Fatalf("S11: cut %s overlaps an earlier one or is too large", c.Range)
				}
				segments = append(segments, segmenter.Segment{Number: int64(len(segments) + 1), State: segmenter.SegmentNew, Range: c.Range})
			}
			if pass > 200 {
				t.Fatalf("S11: no end after %d passes over %v", pass, g)
			}
		}
		if want := setOf(g.Read()...); !equal(all, want) {
			t.Fatalf("S11: segments hold %d offsets, %d were read in %v", len(all), len(want), g)
		}
		for i := range segments {
			if i > 0 && segments[i-1].Range.Compare(segments[i].Range) >= 0 {
				t.Fatalf("S7: %s was cut before %s, but is not in order", segments[i-1].Range, segments[i].Range)
			}
		}
	})
}

// S12: holes against sets of offsets.
func TestHolesAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGenerations(t)
		segments := drawCube(t, g)
		if len(segments) == 0 {
			return
		}
		for i := range segments {
			segments[i].State = rapid.SampledFrom([]segmenter.SegmentState{
				segmenter.SegmentReady, segmenter.SegmentReady, segmenter.SegmentNew, segmenter.SegmentRetired,
			}).Draw(t, "state")
		}
		var rows []segmenter.LedgerRow
		staged, named := make(offsets), make(offsets)
		for _, r := range g.Read() {
			for r.Start < r.End {
				row := segmenter.LedgerRow{Range: r, State: rapid.SampledFrom([]segmenter.RowState{segmenter.Staged, segmenter.Lost, ""}).Draw(t, "row")}
				row.Range.End = min(r.End, r.Start+rapid.Int64Range(1, 9).Draw(t, "row length"))
				r.Start = row.Range.End
				switch row.State {
				case segmenter.Staged:
					staged.add(setOf(row.Range))
				case segmenter.Lost:
					named.add(setOf(row.Range))
				default:
					continue
				}
				rows = append(rows, row)
			}
		}
		c := Holder{Segments: segments, Generations: g}
		if rapid.Bool().Draw(t, "front is known") {
			c.Front = segments[0].Range.Starts()
		}
		want := holesModel(segments, named, c.Front != nil)
		got := make(offsets)
		for _, h := range c.Holes(rows) {
			n := len(got)
			got.add(setOf(h.Range...))
			if err := h.Range.Validate(); err != nil || int64(len(got)-n) != h.Range.Len() || h.Range.Empty() {
				t.Fatalf("S12: %s: %v, or it overlaps another", h, err)
			}
			var missing, filled int64
			for o := range setOf(h.Range...) {
				if staged[o] {
					filled++
				} else {
					missing++
				}
			}
			if segmenter.Vector(h.Missing).Len() != missing || segmenter.Vector(h.Staged).Len() != filled || h.Fillable() != (missing == 0) {
				t.Fatalf("S12: %s: staged %v, missing %v, want %d and %d offsets", h, h.Staged, h.Missing, filled, missing)
			}
			if len(h.Range.Starts()) != len(segments[0].Range.Starts()) {
				t.Fatalf("S7: %s does not name every partition", h)
			}
		}
		if !equal(got, want) {
			t.Fatalf("S12: holes of %d offsets, want %d\ngot  %v\nwant %v\nsegments %+v", len(got), len(want), got, want, segments)
		}
	})
}

// holesModel: all segments were cut one after another, so what is between the front, or the first ready one, and the last
// ready one is what the segments between them held.
func holesModel(segments []segmenter.Segment, named offsets, front bool) offsets {
	first, last := -1, -1
	for i, s := range segments {
		if s.State == segmenter.SegmentReady {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if front && first > 0 {
		first = 0
	}
	out := make(offsets)
	for i := first; first >= 0 && i <= last; i++ {
		if segments[i].State != segmenter.SegmentRetired {
			continue
		}
		for o := range setOf(segments[i].Range...) {
			if !named[o] {
				out[o] = true
			}
		}
	}
	return out
}

// S13: merges keep every offset and event, in order, and come to an end within the budget.
func TestMergesKeepEveryOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGenerations(t)
		segments := drawCube(t, g)
		rules := MergeRules{Budget: []AgeBudget{{Segments: rapid.IntRange(1, 5).Draw(t, "budget")}}}
		if rapid.Bool().Draw(t, "time ranges") {
			rules.TimeRanges = []time.Duration{20 * time.Microsecond, 100 * time.Microsecond}
		}
		whole := make(offsets)
		events := int64(0)
		for _, s := range segments {
			whole.add(setOf(s.Range...))
			events += s.Events
		}
		for pass := 0; ; pass++ {
			p := Merges(MergeInput{Rules: rules, Now: time.UnixMicro(1 << 40), Segments: segments, Generations: g})
			n := len(p.Left)
			for _, m := range p.Merges {
				n += len(m.Segments)
				segments = applyMerge(t, segments, m, g)
			}
			if want := len(segments) - len(p.Merges) + sumLen(p.Merges); n != want {
				t.Fatalf("S13: a plan names %d segments of %d:\n%s", n, want, p)
			}
			if len(p.Merges) == 0 {
				break
			}
			if pass > 200 {
				t.Fatalf("S13: no end after %d passes", pass)
			}
		}
		after := make(offsets)
		for _, s := range segments {
			after.add(setOf(s.Range...))
			events -= s.Events
		}
		if !equal(whole, after) || events != 0 {
			t.Fatalf("S13: %d offsets before, %d after; %d events are missing", len(whole), len(after), events)
		}
		if b := rules.Budget[0].Segments; len(rules.TimeRanges) == 0 && len(segments) > b {
			t.Fatalf("%d segments stay without an obstacle, the budget is %d", len(segments), b)
		}
	})
}

func sumLen(merges []Merge) (n int) {
	for _, m := range merges {
		n += len(m.Segments)
	}
	return n
}

// applyMerge replaces the segments of m by one, after checking S13.
func applyMerge(t *rapid.T, segments []segmenter.Segment, m Merge, g segmenter.Generations) []segmenter.Segment {
	var out, taken []segmenter.Segment
	for _, s := range segments {
		if slices.Contains(m.Segments, s.Number) {
			taken = append(taken, s)
		} else {
			out = append(out, s)
		}
	}
	if len(taken) != len(m.Segments) || len(taken) < 2 {
		t.Fatalf("S13: merge %v takes %d segments", m.Segments, len(taken))
	}
	slices.SortFunc(taken, func(a, b segmenter.Segment) int { return a.Range.Compare(b.Range) })
	one := taken[0]
	for _, s := range taken[1:] {
		if err := one.Range.Adjacent(s.Range, g); err != nil {
			t.Fatalf("S13: merge %v: %v", m.Segments, err)
		}
		joined, err := one.Range.Join(s.Range)
		if err != nil {
			t.Fatalf("S13: merge %v: %v", m.Segments, err)
		}
		switch {
		case s.Events == 0:
		case one.Events == 0:
			one.MinTimeUs, one.MaxTimeUs = s.MinTimeUs, s.MaxTimeUs
		default:
			one.MinTimeUs, one.MaxTimeUs = min(one.MinTimeUs, s.MinTimeUs), max(one.MaxTimeUs, s.MaxTimeUs)
		}
		one.Range, one.Events = joined, one.Events+s.Events
	}
	if !slices.Equal(one.Range, m.Range) || one.Events != m.Events {
		t.Fatalf("S13: merge %v is %s with %d events, want %s with %d", m.Segments, m.Range, m.Events, one.Range, one.Events)
	}
	return append(out, one)
}

// S14: what is picked is what has an event time in the window, by trying every time.
func TestPickAgainstEveryTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := drawCube(t, drawGenerations(t))
		from := rapid.Int64Range(-30, 300).Draw(t, "from")
		to := from + rapid.Int64Range(-1, 60).Draw(t, "length")
		picked := make(map[int64]int)
		for _, p := range Pick(segments, HalfOpen(from, to)) {
			picked[p.Segment.Number] = len(p.Parts)
		}
		for _, s := range segments {
			parts := 0
			for _, part := range s.Parts {
				for at := from; at < to; at++ {
					if part.Events > 0 && at >= part.MinTimeUs && at <= part.MaxTimeUs {
						parts++
						break
					}
				}
			}
			if picked[s.Number] != parts {
				t.Fatalf("S14: [%d,%d) picks %d lines of %+v, want %d", from, to, picked[s.Number], s, parts)
			}
		}
	})
}

// S15: retention leaves the last segment, and every offset behind the first that stays.
func TestRetireFromTheFront(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := drawCube(t, drawGenerations(t))
		now := rapid.Int64Range(0, 800).Draw(t, "now")
		p := Retire(RetireRules{Keep: 100 * time.Microsecond}, time.UnixMicro(now), rapid.Permutation(segments).Draw(t, "order"))
		if len(segments) > 0 && len(p.Retire) >= len(segments) {
			t.Fatalf("S15: all %d segments retire", len(segments))
		}
		for i, n := range p.Retire {
			s := segments[i]
			if n != s.Number {
				t.Fatalf("S15: %v does not begin at the front", p.Retire)
			}
			if s.Events > 0 && s.MaxTimeUs >= now-100 {
				t.Fatalf("S15: segment %d has an event at %d, %d is kept", n, s.MaxTimeUs, now-100)
			}
		}
		if next := len(p.Retire); next < len(segments)-1 && segments[next].Events > 0 && segments[next].MaxTimeUs < now-100 {
			t.Fatalf("S15: segment %d could retire at %d: %s", segments[next].Number, now, p.Why)
		}
	})
}

// S16: a slice builds no offset that is taken, and every staged row of the slice ends in a segment.
func TestSliceAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGenerations(t)
		var segments []segmenter.Segment
		taken := make(offsets)
		for _, s := range drawCube(t, g) {
			if rapid.Bool().Draw(t, "dropped") {
				continue
			}
			segments = append(segments, s)
			taken.add(setOf(s.Range...))
		}
		var rows []segmenter.LedgerRow
		at := int64(0)
		for _, r := range g.Read() {
			for r.Start < r.End {
				row := segmenter.LedgerRow{Range: r, State: segmenter.Staged, MinTimeUs: at, MaxTimeUs: at + rapid.Int64Range(0, 20).Draw(t, "width")}
				row.Range.End = min(r.End, r.Start+rapid.Int64Range(1, 9).Draw(t, "row length"))
				row.Events = row.Range.Len()
				r.Start = row.Range.End
				at += rapid.Int64Range(-10, 20).Draw(t, "step")
				rows = append(rows, row)
			}
		}
		w := HalfOpen(rapid.Int64Range(-20, 200).Draw(t, "from"), rapid.Int64Range(0, 400).Draw(t, "to"))
		p := Slice(SliceInput{
			Window: w, Span: time.Duration(rapid.IntRange(1, 50).Draw(t, "span")) * time.Microsecond, Room: 1000,
			RowsPerBuild: rapid.Int64Range(1, 30).Draw(t, "rows"), Segments: segments, Rows: rows,
		})
		built := make(offsets)
		for _, c := range p.Build {
			set := setOf(c.Range...)
			for o := range set {
				if taken[o] || built[o] {
					t.Fatalf("S16: %v is built twice:\n%s", o, p)
				}
			}
			if err := c.Range.Validate(); err != nil || len(set) == 0 {
				t.Fatalf("S16: build %s: %v", c.Range, err)
			}
			built.add(set)
		}
		for _, row := range rowsIn(rows, w) {
			for o := range setOf(row.Range) {
				if !taken[o] && !built[o] {
					t.Fatalf("S16: %v is of the slice and not built:\n%s", o, p)
				}
			}
		}
		if len(p.Build) > 0 && len(p.Refresh) > 0 {
			t.Fatalf("both built and refreshed:\n%s", p)
		}
	})
}
