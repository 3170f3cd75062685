package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// mergeSegments makes each cuboid of the same cuboid of the segments, without their events.
func (b *build) mergeSegments(ctx context.Context, o *output) error {
	var readers []cuboids
	defer func() {
		for _, r := range readers {
			r.Close() // frees memory only, its error says nothing
		}
	}()
	for _, m := range b.in.Merged {
		if len(m.Cuboids) == 0 {
			return &builder.FinalError{Err: fmt.Errorf("segment %d has no cuboids: refresh it first", m.Number)}
		}
		r, err := b.open(m)
		if err != nil {
			return &builder.FinalError{Err: fmt.Errorf("segment %d: %w", m.Number, err)}
		}
		readers = append(readers, r)
	}
	defer b.tellReused()
	b.planMerge()
	progress := b.in.Step("merge cuboids", "cuboids")
	var made atomic.Int64
	l := &lattice{nodes: b.nodes, limit: b.e.o.Threads, drop: dropKept, rest: o.g.Wait}
	l.feeds = func(n, below *node) bool { return below.from == n }
	l.make = func(ctx context.Context, n, parent *node) error {
		err := b.unlessLeft(ctx, o, n, func() error {
			if parent != nil {
				return b.childOf(ctx, o, n, parent)
			}
			return b.mergeCuboid(ctx, o, n, readers)
		})
		progress(made.Add(1), int64(len(b.nodes)))
		return err
	}
	return l.run(ctx)
}

// rollUpAtMost is how many cells of a larger cuboid may be rolled up in place of merging one: to read one of a file, to bring
// it together with those of other segments, costs about three times as much.
const rollUpAtMost = 3

// planMerge decides which cuboids are merged of the segments' cells, and which are rolled up from a larger one that is. It
// goes by the manifests alone (L1).
func (b *build) planMerge() {
	rows := map[uint64]int64{}
	for _, m := range b.in.Merged {
		for _, e := range m.Cuboids {
			rows[uint64(e.Cuboid)] += e.Rows
		}
	}
	for i, n := range b.nodes {
		n.waits, n.above = 0, false
		for _, above := range b.nodes[:i] {
			if holds(above, n) && (n.from == nil || cmp.Or(cmp.Compare(rows[above.mask], rows[n.from.mask]), cmp.Compare(above.mask, n.from.mask)) < 0) {
				n.from = above
			}
		}
		if n.from != nil && rows[n.from.mask] > rollUpAtMost*rows[n.mask] {
			n.from = nil
		}
		if n.from != nil {
			n.waits, n.from.above = 1, true
		}
	}
}

// mergeCuboid merges one cuboid of all segments. A row group of each is held; where that is too much they are spooled to
// frames first, and merged in turns where they are more than one merge takes. That changes no result: the turns depend on the
// number of segments alone (L1).
func (b *build) mergeCuboid(ctx context.Context, o *output, n *node, readers []cuboids) error {
	var sources []source
	held := int64(0)
	for i, r := range readers {
		groups, err := r.Groups(ctx, n.mask)
		if err != nil {
			return segmentError(b.in.Merged[i].Number, err)
		}
		largest := int64(0)
		for _, g := range groups {
			largest = max(largest, g.Plain+b.rowBytes(g.Rows))
		}
		held += largest
		sources = append(sources, &groupSource{number: b.in.Merged[i].Number, r: r, groups: groups})
	}
	if len(sources) <= b.e.size.fanIn && held <= b.e.mem.forWork() {
		return b.merging(ctx, held, func() error { return b.cuboid(ctx, o, n, sources, func(int64) {}) })
	}
	return b.merging(ctx, b.rowBytes(b.e.size.stepRows), func() error {
		spooled, err := b.spool(ctx, n, sources)
		if err != nil {
			return err
		}
		return b.mergeRuns(ctx, o, n, []*store{spooled}, func(int64, int64) {})
	})
}

// spool makes a run of each source, whose frames are so small that those of all sources are about a step of a merge.
func (b *build) spool(ctx context.Context, n *node, sources []source) (*store, error) {
	s := b.store(fmt.Sprintf("sources-%x", n.mask))
	s.frameRows = min(b.e.size.frameRows, max(b.e.size.minWindow, b.e.size.stepRows/len(sources)))
	for _, src := range sources {
		s.begin()
		for {
			p, err := src.next(ctx)
			if err != nil {
				return nil, err
			}
			if p.Cells == nil {
				break
			}
			if err := s.add(p.Cells); err != nil {
				return nil, err
			}
		}
	}
	return s, s.finish()
}

// groupSource reads a cuboid of a segment, a row group at a time.
type groupSource struct {
	number int64
	r      cuboids
	groups []cuboid.RowGroup
}

func (s *groupSource) next(ctx context.Context) (cells.Part, error) {
	if len(s.groups) == 0 {
		return cells.Part{}, nil
	}
	c, err := s.r.Cells(ctx, s.groups[0])
	if err != nil {
		return cells.Part{}, segmentError(s.number, err)
	}
	s.groups = s.groups[1:]
	return cells.Part{Cells: c, To: c.Len()}, nil
}

// segmentError says which segment could not be read. Damage is not tried again.
func segmentError(number int64, err error) error {
	err = fmt.Errorf("segment %d: %w: refresh it", number, err)
	var format *cuboid.FormatError
	var entry *cuboid.EntryError
	if errors.As(err, &format) || errors.As(err, &entry) || errors.Is(err, blob.ErrNotFound) {
		return &builder.FinalError{Err: err}
	}
	return err
}
