package local

import (
	"context"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
)

// merger merges sources: cells of equal keys fold in the order of the sources, whatever the batches they come in (L1). It
// holds a frame and a window of each source, which is the smaller the larger their states are.
type merger struct {
	layout *cells.Layout
	mask   uint64
	lanes  []*lane
	window int   // rows of a source
	room   int64 // bytes of a source, beside one frame
}

// lane is what is held of a source.
type lane struct {
	src   source
	held  []cells.Part
	rows  int // in held
	ended bool
}

func newMerger(l *cells.Layout, mask uint64, list []source, s sizes) *merger {
	n := max(len(list), 1)
	m := &merger{layout: l, mask: mask, window: max(s.minWindow, s.stepRows/n), room: s.stepBytes / int64(n)}
	for _, s := range list {
		m.lanes = append(m.lanes, &lane{src: s})
	}
	return m
}

// next returns the next merged cells; they have no cells at the end.
func (m *merger) next(ctx context.Context) (cells.Part, error) {
	if ctx.Err() != nil {
		return cells.Part{}, context.Cause(ctx)
	}
	rows := 0
	for _, l := range m.lanes {
		if err := l.fill(ctx, m.window, m.room); err != nil {
			return cells.Part{}, err
		}
		rows += l.rows
	}
	if rows == 0 {
		return cells.Part{}, nil
	}
	bound, at := m.bound()
	var parts []cells.Part
	for _, l := range m.lanes {
		parts = l.take(parts, bound, at)
	}
	switch len(parts) {
	case 0:
		panic("L1: a merge took nothing")
	case 1:
		return parts[0], nil
	}
	c, err := m.layout.Combine(m.mask, parts...)
	if err != nil {
		return cells.Part{}, err
	}
	return cells.Part{Cells: c, To: c.Len()}, nil
}

// bound is the least key up to which every source is in hand; nil: all that is left is.
func (m *merger) bound() (least *cells.Cells, at int) {
	for _, l := range m.lanes {
		c, i := l.reach(m.window)
		if c != nil && (least == nil || c.Compare(i, least, at) < 0) {
			least, at = c, i
		}
	}
	return least, at
}

// fill reads until more than a window is held, or as many bytes as there is room for, or the end is reached.
func (l *lane) fill(ctx context.Context, window int, room int64) error {
	for !l.ended && l.rows <= window && (l.rows == 0 || l.bytes() < room) {
		p, err := l.src.next(ctx)
		if err != nil {
			return err
		}
		if p.Cells == nil {
			l.ended = true
			return nil
		}
		if n := p.To - p.From; n > 0 {
			l.held, l.rows = append(l.held, p), l.rows+n
		}
	}
	return nil
}

// bytes is about what the rows that are held take.
func (l *lane) bytes() (n int64) {
	for _, p := range l.held {
		n += p.Cells.MemBytes() * int64(p.To-p.From) / int64(p.Cells.Len())
	}
	return n
}

// reach returns the last row of the window, or of what is held where that is less; nil if nothing comes behind it.
func (l *lane) reach(window int) (*cells.Cells, int) {
	if l.ended && l.rows <= window {
		return nil, 0
	}
	i := min(window, l.rows) - 1
	for _, p := range l.held {
		if i < p.To-p.From {
			return p.Cells, p.From + i
		}
		i -= p.To - p.From
	}
	panic("L1: a source is merged of which no window is held")
}

// take appends the rows up to bound, that included, and gives them up.
func (l *lane) take(parts []cells.Part, bound *cells.Cells, at int) []cells.Part {
	for len(l.held) > 0 {
		p := &l.held[0]
		have := p.To - p.From
		n := have
		if bound != nil {
			n = p.Cells.Upto(p.From, bound, at)
		}
		n = min(n, have)
		if n > 0 {
			parts = append(parts, cells.Part{Cells: p.Cells, From: p.From, To: p.From + n})
		}
		l.rows -= n
		if n < have {
			p.From += n
			break
		}
		l.held = l.held[1:]
	}
	return parts
}

// framer cuts cells that follow each other into frames: those of a cuboid are its row groups (L1). Their dictionaries hold
// only what their rows have.
type framer struct {
	layout *cells.Layout
	cut    cuboid.Cutter
	give   func(*cells.Cells) error
}

func (f *framer) add(p cells.Part) error {
	for _, parts := range f.cut.Add(p) {
		if err := f.frame(parts); err != nil {
			return err
		}
	}
	return nil
}

// flush gives what is left as a frame.
func (f *framer) flush() error {
	parts := f.cut.Rest()
	f.cut = cuboid.Cutter{Rows: f.cut.Rows}
	if len(parts) == 0 {
		return nil
	}
	return f.frame(parts)
}

func (f *framer) frame(parts []cells.Part) error {
	first := parts[0]
	if len(parts) == 1 && first.To-first.From == first.Cells.Len() {
		return f.give(first.Cells)
	}
	c, err := f.layout.Combine(first.Cells.Mask, parts...)
	if err != nil {
		return err
	}
	return f.give(c)
}
