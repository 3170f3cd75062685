package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// View says what a Snapshot is of.
type View struct {
	Table    *cube.Table
	CubeID   string        // "": of no cube
	CubeOnly bool          // nothing from before the cube's front: what FROM cube reads
	AsOf     *catalog.AsOf // nil: all there is; else what was committed then, without a tail
}

// Snapshot is where all events of a table are at one moment (E1). Its tail is pinned until Release, which must be called; what it
// says of the catalog stays good.
type Snapshot struct {
	*catalog.QuerySnapshot
	Completeness Completeness
	NewestMs     int64 // Kafka's highest timestamp of the last records in the tail; 0: it holds none

	source    *Source
	uncovered []segmenter.PartitionRange // what no segment holds, ascending
	pin       Pin
	tail      []tailPart
}

// Completeness says what an answer covers, and what it lacks.
type Completeness struct {
	Offsets []Covered // ascending by partition and generation
	Holes   []segmenter.PartitionRange

	HasTime   bool    // some partition has events
	Watermark int64   // of the table: the lowest of its partitions that are not idle, as Watermark says
	Idle      []int32 // partitions that hold it no longer: they are read to their end
	Newest    int64   // highest event time

	Elsewhere []Elsewhere // partitions whose newest events another process holds, ascending; the answer lacks them

	Counts     segmenter.Measure // of all offsets that are covered; without times
	Segments   int               // ready ones
	Files      int64             // staged and supplement files of the table
	TailEvents int64

	AsOf *catalog.Past // nil: of the present
}

// Covered is what an answer covers of one generation of a partition.
type Covered struct {
	segmenter.PartitionRange       // the tail included
	Committed                int64 // the catalog's end
	HasTime                  bool  // the partition has events
	Watermark                int64 // of the partition: its highest event time less the allowed lateness, in microseconds since 1970
}

// Partial reports whether offsets are missing between those that are covered.
func (c *Completeness) Partial() bool { return len(c.Holes) > 0 }

// snapshotTries is how often the catalog is asked until it is not behind the tail. It answers from where the tail's commits went
// to, so that once is enough but for a database that lost some.
const snapshotTries = 3

// sameTries is how often the catalog is asked for snapshots that hold the same events: between the questions of one try there must be no commit.
const sameTries = 32

// ErrMoves says that what is committed of a table changed each time that several snapshots of it were taken: try again.
var ErrMoves = errors.New("committed events change faster than they can be looked at")

// Snapshot is Snapshots of one view.
func (src *Source) Snapshot(ctx context.Context, v View) (*Snapshot, error) {
	list, err := src.Snapshots(ctx, v)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Snapshots pins the tail of a table, then asks the catalog (E2): for each view of the table, all of which see the same events, of the same
// moment. They share the pin: the first Release ends it. catalog.ErrNotFound says that the table or the cube is gone, catalog.ErrUnavailable
// that the catalog does not answer, a *catalog.AsOfError that the moment is not known; ErrMoves.
func (src *Source) Snapshots(ctx context.Context, views ...View) (list []*Snapshot, err error) {
	if views[0].AsOf != nil {
		for _, v := range views {
			s, err := src.past(ctx, v)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
		return list, nil
	}
	pin, err := src.o.Tail.Pin(ctx, views[0].Table.ID)
	if err != nil {
		return nil, fmt.Errorf("pin the tail of table %s: %w", views[0].Table.Name, err)
	}
	tail := leads(pin.Tail())
	if list, err = src.at(ctx, views, tail); err != nil {
		pin.Release()
		return nil, err
	}
	elsewhere := src.reads.elsewhere(ctx, list[0].QuerySnapshot)
	for i, s := range list {
		s.source, s.pin = src, pin
		s.Completeness.Elsewhere = elsewhere
		s.see(views[i], tail)
	}
	return list, nil
}

// at asks the catalog until it is not behind the tail, and all views have the same events.
func (src *Source) at(ctx context.Context, views []View, tail []lead) ([]*Snapshot, error) {
	for try := 1; ; try++ {
		var list []*Snapshot
		same := true
		for _, v := range views {
			q, err := src.known.read(ctx, v.Table.ID, v.CubeID)
			if err != nil {
				return nil, err
			}
			list = append(list, &Snapshot{QuerySnapshot: q})
			same = same && q.SameEvents(list[0].QuerySnapshot)
		}
		behind := slices.ContainsFunc(tail, func(l lead) bool { return l.behind(list[0].QuerySnapshot) })
		if same && (!behind || try >= snapshotTries) {
			return list, nil
		}
		if try == sameTries {
			return nil, fmt.Errorf("look at table %s: %w", views[0].Table.Name, ErrMoves)
		}
		src.m.again.Inc()
	}
}

// past is a Snapshot of an earlier moment: what is in the tail was not committed then.
func (src *Source) past(ctx context.Context, v View) (_ *Snapshot, err error) {
	s := &Snapshot{source: src, pin: noTail{}}
	if s.QuerySnapshot, err = src.o.Catalog.QuerySnapshotAt(ctx, v.Table.ID, v.CubeID, v.AsOf); err != nil {
		return nil, err
	}
	src.m.snapshots.WithLabelValues("past").Inc()
	s.Completeness.AsOf, s.Completeness.Holes = s.Past, slices.Clone(s.Past.Gone)
	s.see(v, nil)
	return s, nil
}

// counted reports whether the counts of all partitions are those of the snapshot: rows and segments do not tell them.
func (s *Snapshot) counted(v View) bool {
	if s.Past != nil {
		return len(s.Past.AsOf.Offsets) == 0 && !v.CubeOnly
	}
	return s.Long
}

// Release ends the pin of the tail. A second call does nothing.
func (s *Snapshot) Release() { s.pin.Release() }

// Lost reports whether the tail was held for too long: what was read of it must be dropped.
func (s *Snapshot) Lost() bool { return s.pin.Lost() }

// see lays the tail behind what is committed.
func (s *Snapshot) see(v View, tail []lead) {
	c := &s.Completeness
	c.Segments = len(s.Segments)
	highest := map[int32]int64{} // event time, by partition
	ends := map[int32]int64{}    // when they were asked for
	for _, p := range s.Partitions {
		c.Files += p.Stats.Files
		if p.HasTime {
			highest[p.Partition] = p.MaxTimeUs
		}
		if s.counted(v) {
			n := p.Stats
			c.Counts = addCounts(c.Counts, segmenter.Measure{
				Events: n.Events, Gaps: n.Gaps, Quarantined: n.Quarantined, Skipped: n.Skipped, Lost: n.Lost,
			})
		}
	}
	for i := range s.Lines {
		s.addLine(v, &s.Lines[i])
	}
	for _, l := range tail {
		ends[l.first().Partition] = l[0].EndUs
		s.addTail(v, l, highest)
	}
	var marks []Mark
	var of []int32 // partitions of marks
	for i := range c.Offsets {
		o := &c.Offsets[i]
		if top, ok := highest[o.Partition]; ok {
			o.HasTime, o.Watermark = true, top-v.Table.EventTime.Lateness.Microseconds()
			if !c.HasTime || top > c.Newest {
				c.HasTime, c.Newest = true, top
			}
		}
		if n := len(of); n == 0 || of[n-1] != o.Partition {
			marks, of = append(marks, Mark{o.HasTime, o.Watermark, ends[o.Partition]}), append(of, o.Partition)
		}
	}
	var idle []int
	c.Watermark, c.HasTime, idle = Watermark(marks, time.Now(), v.Table.EventTime.Lateness)
	for _, i := range idle {
		c.Idle = append(c.Idle, of[i])
	}
}

// front returns the first offset of a line that belongs to a view; ok=false: none does.
func (s *Snapshot) front(v View, line segmenter.PartitionRange) (from int64, ok bool) {
	if !v.CubeOnly {
		return line.Start, true
	}
	for _, f := range s.Cube.Start {
		if f.Partition == line.Partition && f.Generation >= line.Generation {
			return max(line.Start, f.Start), f.Generation == line.Generation
		}
	}
	return line.Start, len(s.Cube.Start) > 0 // without a front the cube has not begun
}

// addLine takes in what is committed of a line.
func (s *Snapshot) addLine(v View, l *catalog.QueryLine) {
	r, c := l.Range(), &s.Completeness
	from, ok := s.front(v, r)
	if !ok {
		return
	}
	uncovered, staged := l.Uncovered, l.Staged
	if from > r.Start {
		r.Start, staged = min(from, r.End), segmenter.Measure{}
		uncovered = nil
		for _, u := range l.Uncovered {
			if u.Start = max(u.Start, from); !u.Empty() {
				uncovered = append(uncovered, u)
			}
		}
		for _, e := range l.Rows {
			for _, u := range clip(e.Range, uncovered) {
				staged = addCounts(staged, segmenter.MeasureRow(e.LedgerRow, u))
			}
		}
	}
	c.Offsets = append(c.Offsets, Covered{PartitionRange: r, Committed: r.End})
	if !r.Empty() {
		s.uncovered = append(s.uncovered, uncovered...)
	}
	if !s.counted(v) {
		c.Counts = addCounts(addCounts(c.Counts, l.Built), staged)
	}
}

// addTail takes in what the tail of a partition holds behind that.
func (s *Snapshot) addTail(v View, l lead, highest map[int32]int64) {
	c := &s.Completeness
	for _, r := range l {
		line := s.Line(r.Range.Partition, r.Range.Generation)
		at := slices.IndexFunc(c.Offsets, func(o Covered) bool { return o.SameLine(r.Range) })
		switch {
		case line == nil: // a catalog that has lost it
			if !r.Range.Empty() {
				c.Holes = append(c.Holes, r.Range)
			}
			continue
		case line.Closed, at < 0: // where a closed one ended is fixed; of the others nothing is asked
			continue
		}
		part, covered := tailPart{r, r.Range}, &c.Offsets[at]
		from, _ := s.front(v, line.Range())
		if part.keep.Start = max(part.keep.Start, line.End, from); part.keep.Empty() {
			continue
		}
		if covered.Empty() {
			covered.Start, covered.End = max(covered.Start, from), max(covered.End, from)
		}
		if part.keep.Start > covered.End {
			hole := part.keep
			hole.Start, hole.End = covered.End, part.keep.Start
			c.Holes = append(c.Holes, hole)
		}
		covered.End = part.keep.End
		s.tail = append(s.tail, part)
		m := part.measure()
		c.Counts, c.TailEvents = addCounts(c.Counts, m), c.TailEvents+m.Events
		if n := len(r.Chunks); n > 0 && r.Chunks[n-1].Rows() > 0 {
			s.NewestMs = max(s.NewestMs, r.Chunks[n-1].Timestamps[r.Chunks[n-1].Rows()-1])
		}
		for _, chunk := range r.Chunks {
			if top, ok := highest[r.Range.Partition]; chunk.Rows() > 0 && (!ok || chunk.MaxTimeUs > top) {
				highest[r.Range.Partition] = chunk.MaxTimeUs
			}
		}
	}
}

func addCounts(m, o segmenter.Measure) segmenter.Measure {
	o.MinTimeUs, o.MaxTimeUs = 0, 0
	m = m.Add(o)
	m.MinTimeUs, m.MaxTimeUs = 0, 0
	return m
}

// clip returns what of r lies in ascending ranges, which do not overlap.
func clip(r segmenter.PartitionRange, ranges []segmenter.PartitionRange) (out []segmenter.PartitionRange) {
	i, _ := slices.BinarySearchFunc(ranges, r, func(x, r segmenter.PartitionRange) int {
		if c := cmp.Or(cmp.Compare(x.Partition, r.Partition), cmp.Compare(x.Generation, r.Generation)); c != 0 {
			return c
		}
		if x.End > r.Start {
			return 1
		}
		return -1
	})
	for ; i < len(ranges) && ranges[i].Overlaps(r); i++ {
		x := r
		x.Start, x.End = max(r.Start, ranges[i].Start), min(r.End, ranges[i].End)
		out = append(out, x)
	}
	return out
}

// UncoveredRanges returns how many ranges of staged offsets no segment holds.
func (s *Snapshot) UncoveredRanges() int { return len(s.uncovered) }
