package local

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// roller makes the cells of a cuboid of the frames of a larger one, in order. While the first dimensions of both are the
// same, a frame has nothing to say of rows that come before its first: then a frame is grouped, and only the rows that share
// the values of these dimensions with its last row wait for the next one. Where none are shared, or more rows or larger states
// than a frame has would wait, the frames that are left become runs, which are merged. Which way is taken follows from the cells alone (L1).
type roller struct {
	b      *build
	mask   uint64
	shared int    // dimensions
	frames []part // of the larger cuboid, not read yet
	held   cells.Part

	runs  []*store
	merge *merger // of runs; nil: there are none
}

func (b *build) roll(n, parent *node) *roller {
	return &roller{b: b, mask: n.mask, shared: b.layout.SharedDims(n.mask, parent.mask), frames: parent.kept.runs[0].parts}
}

func (r *roller) next(ctx context.Context) (cells.Part, error) {
	for r.merge == nil && len(r.frames) > 0 {
		if r.shared == 0 || r.held.To-r.held.From > r.b.e.size.groupRows || heavy(r.held, r.b.e.size.heldBytes) {
			if err := r.rest(ctx); err != nil {
				return cells.Part{}, err
			}
			break
		}
		c, err := r.frame(ctx)
		if err != nil {
			return cells.Part{}, err
		}
		from := c.Len()
		if len(r.frames) > 0 {
			from = c.Tail(r.shared)
		}
		r.held = cells.Part{Cells: c, From: from, To: c.Len()}
		if from > 0 {
			return cells.Part{Cells: c, To: from}, nil
		}
	}
	if r.merge != nil {
		return r.merge.next(ctx)
	}
	return cells.Part{}, nil
}

// heavy reports whether rows weigh more than so many bytes.
func heavy(p cells.Part, most int) bool {
	if p.From == p.To {
		return false
	}
	if n, ok := p.WeightAtMost(); ok && n+4*len(p.Cells.Dicts)*(p.To-p.From) <= most {
		return false
	}
	n := 0
	for i := p.From; i < p.To && n <= most; i++ {
		n += p.Cells.Weight(i)
	}
	return n > most
}

// frame groups the next frame, with the rows that wait for it.
func (r *roller) frame(ctx context.Context) (*cells.Cells, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c, err := r.frames[0].load(ctx, r.b.layout)
	if err != nil {
		return nil, err
	}
	r.frames = r.frames[1:]
	parts := []cells.Part{{Cells: c, To: c.Len()}}
	if r.held.From < r.held.To {
		parts = []cells.Part{r.held, parts[0]}
	}
	r.held = cells.Part{}
	return r.b.layout.Combine(r.mask, parts...)
}

// rest makes runs of all frames that are left, the first with the rows that wait, and merges them.
func (r *roller) rest(ctx context.Context) error {
	s := r.b.store(fmt.Sprintf("lanes-%x", r.mask))
	r.runs = []*store{s}
	for len(r.frames) > 0 {
		c, err := r.frame(ctx)
		if err != nil {
			return err
		}
		s.begin()
		if err := s.add(c); err != nil {
			return err
		}
	}
	if err := s.finish(); err != nil {
		return err
	}
	var err error
	if r.runs, err = r.b.reduce(ctx, r.mask, r.runs); err != nil {
		return err
	}
	r.merge = newMerger(r.b.layout, r.mask, r.b.readers(r.runs), r.b.e.size)
	return nil
}

// drop gives back what the runs hold.
func (r *roller) drop() {
	for _, s := range r.runs {
		s.drop()
	}
}
