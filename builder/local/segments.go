package local

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// mergeSegments makes each cuboid of the same cuboid of the segments, without their events.
func (b *build) mergeSegments(ctx context.Context, o *output) error {
	var readers []*cuboid.Reader
	defer func() {
		for _, r := range readers {
			r.Close() // frees memory only, its error says nothing
		}
	}()
	for _, m := range b.in.Merged {
		if len(m.Cuboids) == 0 {
			return &builder.FinalError{Err: fmt.Errorf("segment %d has no cuboids: refresh it first", m.Number)}
		}
		r, err := cuboid.NewReader(b.e.o.Store, b.layout, m.Files, m.Cuboids)
		if err != nil {
			return &builder.FinalError{Err: err}
		}
		readers = append(readers, r)
	}
	defer b.tellReused()
	progress := b.in.Step("merge cuboids", "cuboids")
	var made atomic.Int64
	g, merging := errgroup.WithContext(ctx)
	g.SetLimit(b.e.o.Threads)
	for _, n := range b.nodes {
		if merging.Err() != nil {
			break
		}
		n.above = false // nothing is made of it
		g.Go(func() error {
			_, left, err := b.left(merging, o, n)
			if err == nil && !left {
				err = b.merging(merging, b.heldOf(n), func() error { return b.mergeCuboid(merging, o, n, readers) })
			}
			progress(made.Add(1), int64(len(b.nodes)))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// heldOf counts the rows that a merge holds of all segments: a row group of each.
func (b *build) heldOf(n *node) (rows int) {
	for _, m := range b.in.Merged {
		for _, e := range m.Cuboids {
			if uint64(e.Cuboid) == n.mask {
				rows += int(min(e.Rows, int64(b.e.size.groupRows)))
			}
		}
	}
	return rows
}

// mergeCuboid merges one cuboid of all segments.
func (b *build) mergeCuboid(ctx context.Context, o *output, n *node, readers []*cuboid.Reader) error {
	var sources []source
	for i, r := range readers {
		groups, err := r.Groups(ctx, n.mask)
		if err != nil {
			return segmentError(b.in.Merged[i].Number, err)
		}
		sources = append(sources, &groupSource{number: b.in.Merged[i].Number, r: r, groups: groups})
	}
	return b.cuboid(ctx, o, n, sources, func(int64) {})
}

// groupSource reads a cuboid of a segment, a row group at a time.
type groupSource struct {
	number int64
	r      *cuboid.Reader
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
