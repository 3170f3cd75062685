package run

import (
	"cmp"
	"context"
	"slices"
)

// filter passes rows by the code of one dimension.
type filter struct {
	codes []uint32
	of    []uint8 // by code; nil: codes of [low, low+span)
	low   uint32
	span  uint32
	share float64 // of the codes that pass: the filter of the least goes first
}

// bound is a condition over a batch.
type bound struct {
	never    bool
	flat     bool     // does without from and to
	from, to int      // rows outside do not pass
	filters  []filter // a row passes all of them
	rest     []*branch
}

// branch is a condition on several dimensions.
type branch struct {
	all bool
	of  []*branch
	is  *filter // a leaf; nil, and without parts: all says what it is of every row
}

// all reports whether every row of [from, to) passes.
func (c *bound) all() bool { return len(c.filters) == 0 && len(c.rest) == 0 }

// bind works out a condition over a batch (N2). picked, by dimension, is left what surely holds of the rows that pass; without
// it the condition is one that narrows rows which passed another.
func (r *Runner) bind(ctx context.Context, n *node, b *Batch, picked []*picks) (*bound, error) {
	out := &bound{to: b.n, flat: picked == nil}
	parts := n.of
	if n.dim != several || !n.all {
		parts = []*node{n}
	}
	for _, part := range parts {
		if part.dim == several {
			branch, err := r.branch(ctx, part, b)
			if err != nil {
				return nil, err
			}
			out.rest = append(out.rest, branch)
			continue
		}
		d := b.dims[part.dim]
		p, err := r.pick(ctx, part, d)
		if err != nil {
			return nil, err
		}
		if picked != nil {
			picked[part.dim] = p
		}
		if out.add(d, p); out.never {
			return out, nil
		}
	}
	slices.SortStableFunc(out.filters, func(a, b filter) int { return cmp.Compare(a.share, b.share) })
	return out, nil
}

// add takes in a condition on one dimension: as a range of rows where these ascend by it.
func (c *bound) add(d *dimension, p *picks) {
	size := d.dict.Len()
	if p.n == size {
		return
	}
	ranged := d.starts != nil && !c.flat
	if ranged && p.n > 0 {
		c.from, c.to = max(c.from, int(d.starts[p.low])), min(c.to, int(d.starts[p.high]))
	}
	if p.n == 0 || c.from >= c.to {
		c.never = true
		return
	}
	if !ranged || p.of != nil {
		c.filters = append(c.filters, newFilter(d, p))
	}
}

func newFilter(d *dimension, p *picks) filter {
	return filter{codes: d.codes, of: p.of, low: p.low, span: p.high - p.low, share: float64(p.n) / float64(d.dict.Len())}
}

func (r *Runner) branch(ctx context.Context, n *node, b *Batch) (*branch, error) {
	if n.dim != several {
		d := b.dims[n.dim]
		p, err := r.pick(ctx, n, d)
		if err != nil {
			return nil, err
		}
		f := newFilter(d, p)
		return &branch{is: &f}, nil
	}
	out := &branch{all: n.all}
	for _, part := range n.of {
		sub, err := r.branch(ctx, part, b)
		if err != nil {
			return nil, err
		}
		out.of = append(out.of, sub)
	}
	return out, nil
}

// first returns which of rows [from, from+n) pass, in dst.
func (f *filter) first(dst []uint32, from, n int) []uint32 {
	dst = dst[:n]
	k := 0
	if f.of == nil {
		for i, c := range f.codes[from : from+n] {
			dst[k] = uint32(from + i)
			k += int((uint64(c-f.low) - uint64(f.span)) >> 63)
		}
		return dst[:k]
	}
	of := f.of
	for i, c := range f.codes[from : from+n] {
		dst[k] = uint32(from + i)
		k += int(of[c])
	}
	return dst[:k]
}

// next returns which of rows pass, in dst, which may be rows itself.
func (f *filter) next(dst, rows []uint32) []uint32 {
	dst = dst[:len(rows)]
	codes := f.codes
	k := 0
	if f.of == nil {
		for _, r := range rows {
			dst[k] = r
			k += int((uint64(codes[r]-f.low) - uint64(f.span)) >> 63)
		}
		return dst[:k]
	}
	of := f.of
	for _, r := range rows {
		dst[k] = r
		k += int(of[codes[r]])
	}
	return dst[:k]
}

// mask sets the byte of each row: 1 where it passes.
func (n *branch) mask(s *scratch, out []uint8, rows []uint32) {
	if n.is != nil {
		f := n.is
		if f.of == nil {
			for i, r := range rows {
				out[i] = uint8((uint64(f.codes[r]-f.low) - uint64(f.span)) >> 63)
			}
			return
		}
		for i, r := range rows {
			out[i] = f.of[f.codes[r]]
		}
		return
	}
	start := uint8(0)
	if n.all {
		start = 1
	}
	for i := range out {
		out[i] = start
	}
	part := s.mask(len(rows))
	for _, sub := range n.of {
		sub.mask(s, part, rows)
		if n.all {
			for i, v := range part {
				out[i] &= v
			}
		} else {
			for i, v := range part {
				out[i] |= v
			}
		}
	}
	s.masks = append(s.masks, part[:0])
}

// rows returns which of rows [from, from+n) of the batch pass, in dst; nil: all.
func (c *bound) rows(s *scratch, dst []uint32, from, n int) []uint32 {
	if c.all() {
		return nil
	}
	rows, filters := dst, c.filters
	if len(filters) > 0 {
		rows, filters = filters[0].first(dst, from, n), filters[1:]
	} else {
		rows = dst[:n]
		for i := range rows {
			rows[i] = uint32(from + i)
		}
	}
	return c.narrow(s, rows, rows, filters)
}

// among returns which of the given rows pass, in dst.
func (c *bound) among(s *scratch, dst, rows []uint32) []uint32 {
	if len(c.filters) == 0 {
		dst = append(dst[:0], rows...)
		return c.narrow(s, dst, dst, nil)
	}
	return c.narrow(s, dst, rows, c.filters)
}

func (c *bound) narrow(s *scratch, dst, rows []uint32, filters []filter) []uint32 {
	for i := range filters {
		rows = filters[i].next(dst, rows)
	}
	for _, n := range c.rest {
		m := s.mask(len(rows))
		n.mask(s, m, rows)
		k := 0
		for i, r := range rows {
			rows[k] = r
			k += int(m[i])
		}
		rows = rows[:k]
		s.masks = append(s.masks, m[:0])
	}
	return rows
}
