package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// cubeRun is the part of one cube.
type cubeRun struct {
	*tableRun
	def    *cube.Cube // its newest version; nil: the list of cubes cannot be read
	snap   catalog.CubeSnapshot
	unread error // its rows cannot be read
	rows   map[int32][]catalog.LedgerEntry
	every  int64        // every so many segments a file of one goes to the second reader
	seen   atomic.Int64 // segments whose cuboids were proved
	report *CubeReport  // guarded by run.mu
}

func (c *cubeRun) name() string { return c.def.Project + "/" + c.def.Name }

// snapshot reads the ledger of a table and the segments of its cubes. Segments are read first, so that the ledger has all
// that the ready ones hold; if events changed meanwhile (a requeue, a re-read) all is read again, since a segment that was
// built before the change would be held against rows from behind it.
func (t *tableRun) snapshot(ctx context.Context) ([]partition, []*cubeRun, error) {
	for range maxReads {
		before, err := t.o.Catalog.TableChange(ctx, t.def.ID)
		if err != nil {
			return nil, nil, err
		}
		cubes, err := t.readCubes(ctx)
		if err != nil {
			return nil, nil, err
		}
		parts, err := t.ledger(ctx)
		if err != nil {
			return nil, nil, err
		}
		after, err := t.o.Catalog.TableChange(ctx, t.def.ID)
		if err != nil {
			return nil, nil, err
		}
		if before == after || len(cubes) == 0 {
			return parts, cubes, nil
		}
	}
	return nil, nil, fmt.Errorf("its events were changed %d times while they were read: wait for requeues to end and ask again", maxReads)
}

func (t *tableRun) readCubes(ctx context.Context) (list []*cubeRun, err error) {
	cubes, err := t.o.Catalog.Cubes(ctx, t.def.Project)
	if err != nil && (ctx.Err() != nil || errors.Is(err, catalog.ErrUnavailable)) {
		return nil, err
	}
	if err != nil {
		return []*cubeRun{{tableRun: t, unread: err}}, nil
	}
	for _, info := range cubes {
		if info.TableID != t.def.ID {
			continue
		}
		c := &cubeRun{tableRun: t, def: info.Cube}
		c.snap, c.unread = t.o.Catalog.CubeSnapshot(ctx, info.Cube.ID)
		if c.unread != nil && (ctx.Err() != nil || errors.Is(c.unread, catalog.ErrUnavailable)) {
			return nil, c.unread
		}
		list = append(list, c)
	}
	return list, nil
}

// verify proves the segments of a cube, several at once.
func (c *cubeRun) verify(ctx context.Context, parts []partition) error {
	if c.def == nil {
		c.add(Problem{Kind: SegmentUnreadable, Partition: -1, Message: c.unread.Error()})
		return nil
	}
	c.report = &CubeReport{Project: c.def.Project, Cube: c.def.Name, CubeID: c.def.ID, Table: c.tableRun.def.Name}
	defer c.keep()
	if c.unread != nil {
		c.problem(Problem{Kind: SegmentUnreadable, Message: c.unread.Error()})
		return nil
	}
	c.rows = map[int32][]catalog.LedgerEntry{}
	for _, p := range parts {
		c.rows[p.info.Partition] = p.entries
	}
	objects, err := c.objects(ctx)
	if err != nil {
		return err
	}
	c.disjoint()
	c.findHoles()
	c.every = max(1, int64(len(objects))/int64(max(1, c.o.SecondReader)))
	if err := c.newestLookups(ctx); err != nil {
		return err
	}
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(c.o.Workers)
	for i := range c.snap.Segments {
		s := &c.snap.Segments[i]
		if s.State == segmenter.SegmentNew {
			c.count(func(*TableReport) { c.report.Building++ })
			if err := s.Validate(); err != nil {
				c.problem(Problem{Kind: SegmentUnreadable, Segment: s.Number, Message: err.Error()})
			}
			continue
		}
		c.count(func(*TableReport) { c.report.Segments++ })
		g.Go(func() error { return c.segment(group, s, objects) })
	}
	return g.Wait()
}

func (c *cubeRun) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cubes = append(c.cubes, *c.report)
}

// problem adds a problem with the cube.
func (c *cubeRun) problem(p Problem) {
	p.Cube, p.Partition = c.name(), -1
	if p.Range != nil {
		p.Partition = p.Range.Partition
	}
	c.add(p)
}

// wrongWith adds a problem with one segment.
func (c *cubeRun) wrongWith(s *catalog.SegmentEntry, k Kind, file, format string, args ...any) {
	c.problem(Problem{Kind: k, Segment: s.Number, File: file, Message: fmt.Sprintf(format, args...)})
}

// objects lists what lies in the folders of ready segments, by folder.
func (c *cubeRun) objects(ctx context.Context) (map[string][]string, error) {
	out := map[string][]string{}
	for i := range c.snap.Segments {
		if s := &c.snap.Segments[i]; s.State == segmenter.SegmentReady {
			out[folderOf(s)] = nil
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	for o, err := range c.o.Store.List(ctx, "segments/"+c.def.ID+"/") {
		if err != nil {
			return nil, fmt.Errorf("list segments: %w", err)
		}
		parts := strings.SplitN(o.Key, "/", 4)
		folder := strings.Join(parts[:min(3, len(parts))], "/")
		if _, ready := out[folder]; ready {
			out[folder] = append(out[folder], o.Key)
		}
	}
	return out, nil
}

func folderOf(s *catalog.SegmentEntry) string {
	return segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)
}

// disjoint proves S8.
func (c *cubeRun) disjoint() {
	var ready, reserved []*catalog.SegmentEntry
	for i := range c.snap.Segments {
		if s := &c.snap.Segments[i]; s.State == segmenter.SegmentReady {
			ready = append(ready, s)
		} else {
			reserved = append(reserved, s)
		}
	}
	c.disjointAmong(ready)
	c.disjointAmong(reserved)
	for _, n := range reserved {
		for _, s := range ready {
			if !slices.Contains(n.Replaces, s.Number) {
				c.overlap(n, s, n.Range.Intersect(s.Range))
			}
		}
	}
}

// disjointAmong walks each line in order of offsets.
func (c *cubeRun) disjointAmong(list []*catalog.SegmentEntry) {
	type piece struct {
		segmenter.PartitionRange
		of *catalog.SegmentEntry
	}
	var pieces []piece
	for _, s := range list {
		for _, r := range s.Range {
			if !r.Empty() {
				pieces = append(pieces, piece{r, s})
			}
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		return (segmenter.Vector{a.PartitionRange}).Compare(segmenter.Vector{b.PartitionRange})
	})
	seen := map[[2]int64]bool{} // pairs: one problem each, whatever lines they share
	var last piece              // the one that reaches furthest on its line
	for _, p := range pieces {
		if last.of == nil || !last.SameLine(p.PartitionRange) {
			last = p
			continue
		}
		both := (segmenter.Vector{last.PartitionRange}).Intersect(segmenter.Vector{p.PartitionRange})
		if pair := [2]int64{last.of.Number, p.of.Number}; !seen[pair] && len(both) > 0 {
			seen[pair] = true
			c.overlap(p.of, last.of, both)
		}
		if p.End > last.End {
			last = p
		}
	}
}

func (c *cubeRun) overlap(s, o *catalog.SegmentEntry, both segmenter.Vector) {
	if len(both) == 0 {
		return
	}
	c.problem(Problem{
		Kind: SegmentOverlap, Segment: s.Number, Range: &both[0],
		Message: fmt.Sprintf("segment %d (%s) holds these offsets too", o.Number, o.State),
	})
}

// findHoles lists what lies between segments: no problem, but who reads the report must see it.
func (c *cubeRun) findHoles() {
	var g segmenter.Generations
	for _, p := range c.snap.Partitions {
		for _, x := range p.Generations {
			g = append(g, segmenter.Generation{Partition: x.Partition, Generation: x.Generation, Start: x.Start, End: x.End, Closed: x.Closed})
		}
	}
	var live []segmenter.Segment
	for _, s := range c.snap.Segments {
		live = append(live, s.Segment)
	}
	held := plan.Holder{Front: c.snap.Start, Segments: live, Generations: g}
	var rows []segmenter.LedgerRow
	for _, gap := range held.Gaps() {
		for _, e := range c.rowsOver(gap) {
			rows = append(rows, e.LedgerRow)
		}
	}
	for _, h := range held.Holes(rows) {
		c.count(func(*TableReport) {
			c.report.Holes++
			c.holes = append(c.holes, Hole{
				Cube: c.name(), Range: h.Range, Offsets: h.Range.Len(), Staged: h.Fillable(), After: h.After, Before: h.Before,
			})
		})
	}
}

// rowsOver returns the rows of the ledger that hold offsets of r, in order.
func (c *cubeRun) rowsOver(r segmenter.PartitionRange) (out []*catalog.LedgerEntry) {
	if r.Empty() {
		return nil
	}
	rows := c.rows[r.Partition]
	first, _ := slices.BinarySearchFunc(rows, r, func(e catalog.LedgerEntry, r segmenter.PartitionRange) int {
		if e.Range.Generation != r.Generation {
			return int(e.Range.Generation) - int(r.Generation)
		}
		if e.Range.End <= r.Start {
			return -1
		}
		return 1
	})
	for i := first; i < len(rows) && rows[i].Range.SameLine(r) && rows[i].Range.Start < r.End; i++ {
		if rows[i].Range.Overlaps(r) {
			out = append(out, &rows[i])
		}
	}
	return out
}
