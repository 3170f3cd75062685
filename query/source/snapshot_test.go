package source_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// fixedTail is a tail that is told what to hold.
type fixedTail []stage.TailRange

func (f fixedTail) Pin(context.Context, string) (source.Pin, error) {
	return &worldPin{ranges: f}, nil
}

// tailOf is a range of the tail that holds events at some offsets of it, the others are gaps.
func (w *world) tailOf(generation int32, epoch, start, end int64, events ...int64) stage.TailRange {
	r := stage.TailRange{Range: segmenter.PartitionRange{Generation: generation, Start: start, End: end}, Epoch: epoch, Schema: w.schema}
	c := stage.NewChunk(w.schema)
	at := start
	for _, o := range events {
		r.Exceptions = r.Exceptions.Add(segmenter.Gap, at, o)
		w.addEvent(c, place{0, generation, o})
		at = o + 1
	}
	r.Exceptions = r.Exceptions.Add(segmenter.Gap, at, end)
	if len(events) > 0 {
		r.Chunks = []*stage.Chunk{c}
	}
	return r
}

// E1, E2: what of the tail counts, whatever generation and epoch it is of, and where holes are.
func TestTailBehindTheCatalog(t *testing.T) {
	c := newCatalog(t)
	w := newWorld(t, c, "", 1) // generation 0 is [0, 40), closed; generation 1 begins at 5 and is committed up to 25
	p := w.parts[0]
	w.read(p, 40)
	w.generation(p, 5)
	w.read(p, 20)
	w.roll(p)
	w.commit(p)
	w.leave(p)
	line := func(generation int32, start, end int64) segmenter.PartitionRange {
		return segmenter.PartitionRange{Generation: generation, Start: start, End: end}
	}
	for _, x := range []struct {
		name  string
		tail  fixedTail
		end   int64 // covered of generation 1
		ids   []int64
		holes []segmenter.PartitionRange
	}{
		{"nothing", nil, 25, nil, nil},
		{"empty, where the catalog ends", fixedTail{w.tailOf(1, 9, 25, 25)}, 25, nil, nil},
		{"all committed", fixedTail{w.tailOf(1, 9, 20, 25, 21, 24)}, 25, nil, nil},
		{"committed in part", fixedTail{w.tailOf(1, 9, 20, 30, 21, 24, 25, 27)}, 30, []int64{25, 27}, nil},
		{"two ranges", fixedTail{w.tailOf(1, 9, 28, 30, 29), w.tailOf(1, 9, 25, 28, 26)}, 30, []int64{26, 29}, nil},
		{"a gap between them", fixedTail{w.tailOf(1, 9, 25, 27, 26), w.tailOf(1, 9, 28, 30, 29)}, 30, []int64{26, 29}, []segmenter.PartitionRange{line(1, 27, 28)}},
		{"of an owner before", fixedTail{w.tailOf(1, 8, 25, 40, 30, 39), w.tailOf(1, 9, 25, 30, 27)}, 30, []int64{27}, nil},
		{"of a closed generation", fixedTail{w.tailOf(0, 9, 35, 50, 36, 45)}, 25, nil, nil},
		{"behind a catalog that has lost commits", fixedTail{w.tailOf(1, 9, 27, 30, 28)}, 30, []int64{28}, []segmenter.PartitionRange{line(1, 25, 27)}},
		{"of a generation that it has lost", fixedTail{w.tailOf(2, 9, 3, 8, 4)}, 25, nil, []segmenter.PartitionRange{line(2, 3, 8)}},
	} {
		t.Run(x.name, func(t *testing.T) {
			asked := 0
			src := w.source(func(o *source.Options) {
				o.Tail = x.tail
				o.Catalog = faultyCatalog{w.cat, func() error { asked++; return nil }}
			})
			s := snapshot(t, src, w)
			defer s.Release()
			last := s.Completeness.Offsets[1]
			if last.PartitionRange != line(1, 5, x.end) || last.Committed != 25 {
				t.Errorf("covered %+v, want up to %d", last, x.end)
			}
			if d := cmp.Diff(x.holes, s.Completeness.Holes, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("holes (-want +got):\n%s", d)
			}
			behind := len(x.holes) > 0 && x.name != "a gap between them"
			if behind != (asked > 1) {
				t.Errorf("the catalog was asked %d times, behind the tail: %t", asked, behind)
			}
			got, want := map[int64]int{}, map[int64]int{}
			for rec, err := range src.Scan(t.Context(), s.Tail(), source.ScanQuery{Table: w.schema, Columns: []string{"_offset"}}) {
				must(t, err)
				for i := range int(rec.NumRows()) {
					got[offsetsOf(rec)[i]]++
				}
			}
			for _, o := range x.ids {
				want[o]++
			}
			if d := cmp.Diff(want, got); d != "" || s.Completeness.TailEvents != int64(len(x.ids)) {
				t.Errorf("%d events of the tail (-want +got):\n%s", s.Completeness.TailEvents, d)
			}
		})
	}
}

// The watermark of a table is the lowest of its partitions that have events, each with what is still in memory.
func TestWatermark(t *testing.T) {
	c := newCatalog(t)
	w := newWorld(t, c, "", 3)
	s := snapshot(t, w.source(), w)
	if s.Completeness.HasTime || len(s.Completeness.Offsets) != 3 {
		t.Errorf("before any event: %+v", s.Completeness)
	}
	s.Release()
	highest := func(p int32, from, to int64) (us int64) {
		for o := from; o < to; o++ {
			if x := (place{p, 0, o}); x.fate() == "" {
				us = max(us, x.timeUs())
			}
		}
		return us - 60e6 // less the lateness
	}
	w.read(w.parts[0], 50)
	w.read(w.parts[1], 20)
	w.roll(w.parts[1])
	w.commit(w.parts[1])
	w.leave(w.parts[1])
	s = snapshot(t, w.source(), w)
	defer s.Release()
	marks := []int64{highest(0, 0, 50), highest(1, 10, 30)}
	for i, o := range s.Completeness.Offsets[:2] {
		if !o.HasTime || o.Watermark != marks[i] {
			t.Errorf("partition %d: %+v, want watermark %d", i, o, marks[i])
		}
	}
	if o := s.Completeness.Offsets[2]; o.HasTime || !s.Completeness.HasTime || s.Completeness.Watermark != min(marks[0], marks[1]) {
		t.Errorf("partition 2: %+v; table: %+v, want %d", o, s.Completeness, min(marks[0], marks[1]))
	}
}

// resting is a tail of which some partitions are read to the end of their logs.
type resting struct {
	source.Tail
	parts []int32
}

func (r resting) Pin(ctx context.Context, table string) (source.Pin, error) {
	pin, err := r.Tail.Pin(ctx, table)
	for i := range pin.Tail() {
		t := &pin.Tail()[i]
		if t.EndUs = 0; slices.Contains(r.parts, t.Range.Partition) {
			t.EndUs = time.Now().UnixMicro()
		}
	}
	return pin, err
}

// Partitions that are read to the end of their logs hold the watermark no longer, and are listed: their events are long ago.
func TestIdlePartitions(t *testing.T) {
	c := newCatalog(t)
	w := newWorld(t, c, "", 3)
	w.read(w.parts[0], 50)
	w.read(w.parts[1], 20)
	marks := map[int32]int64{}
	for _, x := range []struct{ parts, idle []int32 }{{nil, nil}, {[]int32{1}, []int32{1}}, {[]int32{0, 2}, []int32{0, 2}}, {[]int32{0, 1, 2}, []int32{0, 1, 2}}} {
		s := snapshot(t, w.source(func(o *source.Options) { o.Tail = resting{w, x.parts} }), w)
		var held []int64
		for _, o := range s.Completeness.Offsets {
			if marks[o.Partition] = o.Watermark; o.HasTime && (!slices.Contains(x.idle, o.Partition) || len(x.idle) == 3) {
				held = append(held, o.Watermark)
			}
		}
		if got := s.Completeness; !slices.Equal(got.Idle, x.idle) || !got.HasTime || got.Watermark != slices.Min(held) {
			t.Errorf("partitions %v are at their end: idle %v, watermark %d; want %v and the lowest of %v", x.parts, got.Idle, got.Watermark, x.idle, held)
		}
		s.Release()
	}
	if marks[0] == marks[1] {
		t.Error("the partitions have one watermark: nothing was tested")
	}
}

// What FROM cube reads begins at the cube's front, and is nothing before it has one.
func TestCubeOnly(t *testing.T) {
	c := newCatalog(t)
	w := newWorld(t, c, "", 2)
	p := w.parts[0]
	w.read(p, 40)
	w.roll(p)
	w.commit(p)
	w.leave(p)
	w.read(p, 10)
	w.read(w.parts[1], 10)
	src := w.source()
	events := func(from, to int64) (n int64) {
		for o := from; o < to; o++ {
			if x := (place{0, 0, o}); x.fate() == "" {
				n++
			}
		}
		return n
	}
	read := func() (all int64, s *source.Snapshot) {
		s, err := src.Snapshot(t.Context(), source.View{Table: w.table, CubeID: w.cube.ID, CubeOnly: true})
		must(t, err)
		defer s.Release()
		for _, set := range []source.Set{s.Tail(), s.Uncovered()} {
			n, err := readers(src, w)["scan"](t.Context(), set)
			must(t, err)
			all += n
		}
		return all, s
	}
	if n, s := read(); n != 0 || len(s.Completeness.Offsets) != 0 || s.Completeness.Counts != (segmenter.Measure{}) {
		t.Errorf("before the cube has begun: %d events, %+v", n, s.Completeness)
	}
	w.build(segmenter.Vector{{Start: 15, End: 30}})
	n, s := read()
	if want := events(30, 50); n < want { // and those of partition 1
		t.Errorf("%d events, want at least %d", n, want)
	}
	if o := s.Completeness.Offsets[0]; o.Start != 15 || o.End != 50 || s.Completeness.Counts.Offsets() != 35+10 {
		t.Errorf("covered %+v with %+v, want offsets from 15 to 50 and 10 of partition 1", o, s.Completeness.Counts)
	}
}

// A segment that cannot answer is read from its staged files; of events that changed since the snapshot nothing is told.
func TestUnderSegments(t *testing.T) {
	c := newCatalog(t)
	w := stagedWorld(t, c, "")
	w.build(segmenter.Vector{{Start: 10, End: 70}})
	w.build(segmenter.Vector{{Start: 80, End: 120}})
	src := w.source()
	s := snapshot(t, src, w)
	defer s.Release()
	for _, e := range s.Segments {
		for name, read := range readers(src, w) {
			if n, err := read(t.Context(), s.Under(e)); err != nil || n != e.Events {
				t.Errorf("segment %d, %s: %d events, %v, want %d", e.Number, name, n, err, e.Events)
			}
		}
	}
	w.requeue(segmenter.PartitionRange{Start: 0, End: 120}, 0, 3)
	var conflict *catalog.ConflictError
	if _, err := readers(src, w)["scan"](t.Context(), s.Under(s.Segments...)); !errors.As(err, &conflict) {
		t.Errorf("after a requeue: %v, want a conflict", err)
	}
}
