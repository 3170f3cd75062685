package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// source gives sorted cells of one cuboid in batches that follow each other, one without cells at the end.
type source interface {
	next(ctx context.Context) (cells.Part, error)
}

// part is cells in memory, or frames of a temporary file.
type part struct {
	cells  *cells.Cells
	bytes  int64 // of the budget
	file   *file
	frames []frame
	groups sink // not nil: the frames are row groups
}

// run is sorted cells of one cuboid in parts that follow each other.
type run struct {
	parts []part
	rows  int64
}

// store keeps runs: in memory while the budget allows it, else in one file. One goroutine writes it.
type store struct {
	b     *build
	name  string
	whole bool  // a part is one frame, and is read as one
	file  *file // nil: nothing was spilled
	runs  []*run
	buf   []byte

	frameRows int // most of a frame; 0: that of the engine's sizes
}

// begin starts another run.
func (s *store) begin() { s.runs = append(s.runs, new(run)) }

// add appends cells to the run begun last.
func (s *store) add(c *cells.Cells) error {
	if c.Len() == 0 {
		return nil
	}
	r := s.runs[len(s.runs)-1]
	r.rows += int64(c.Len())
	if n := c.MemBytes(); s.b.e.mem.keep(n) {
		r.parts = append(r.parts, part{cells: c, bytes: n})
		return nil
	}
	if s.file == nil {
		var err error
		if s.file, err = s.b.tmp.create(s.name); err != nil {
			return err
		}
	}
	first := len(s.file.frames)
	if err := s.spill(c); err != nil {
		return err
	}
	list := s.file.frames[first:len(s.file.frames):len(s.file.frames)]
	s.b.spilled(list)
	r.parts = append(r.parts, part{file: s.file, frames: list})
	return nil
}

func (s *store) spill(c *cells.Cells) error {
	step := cmp.Or(s.frameRows, s.b.e.size.frameRows)
	if n := c.MemBytes(); n > s.b.e.size.frameBytes { // cut evenly, since it is read again in these pieces
		step = min(step, max(1, int(int64(c.Len())*s.b.e.size.frameBytes/n)))
	}
	if s.whole {
		step = c.Len()
	}
	for from := 0; from < c.Len(); from += step {
		piece, to := c, min(from+step, c.Len())
		if to-from < c.Len() {
			var err error
			if piece, err = s.b.layout.Combine(c.Mask, cells.Part{Cells: c, From: from, To: to}); err != nil {
				return err
			}
		}
		s.buf = piece.Append(s.buf[:0])
		if err := s.file.add(s.buf, piece.Len()); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the runs readable. Their file gets its name where another attempt could take it over: it holds all of one run.
func (s *store) finish() error {
	s.buf = nil
	if s.file == nil {
		return nil
	}
	if len(s.runs) == 1 && !slices.ContainsFunc(s.runs[0].parts, func(p part) bool { return p.cells != nil }) {
		return s.file.finish()
	}
	return s.file.flush()
}

// drop gives back what the runs hold, and removes their file.
func (s *store) drop() { s.leave(true) }

// leave gives back what the runs hold. Their file, where it is finished, stays for another attempt unless the build is done.
func (s *store) leave(done bool) {
	s.b.mu.Lock()
	delete(s.b.stores, s)
	s.b.mu.Unlock()
	for _, r := range s.runs {
		for _, p := range r.parts {
			s.b.e.mem.drop(p.bytes)
		}
	}
	s.runs = nil
	switch {
	case s.file == nil:
	case done || !s.file.full:
		s.file.remove()
	default:
		s.file.close()
	}
	s.file = nil
}

// rows counts those of all runs.
func (s *store) rows() (n int64) {
	for _, r := range s.runs {
		n += r.rows
	}
	return n
}

// load reads a part that is one frame.
func (p *part) load(ctx context.Context, l *cells.Layout) (*cells.Cells, error) {
	switch {
	case p.cells != nil:
		return p.cells, nil
	case p.groups == nil:
		return p.read(l, 0)
	}
	data, err := p.file.read(p.frames[0])
	if err != nil {
		return nil, err
	}
	g, err := p.groups.load(data)
	if err != nil {
		return nil, p.file.wrap(err)
	}
	return p.groups.cells(ctx, g)
}

func (p *part) read(l *cells.Layout, i int) (*cells.Cells, error) {
	data, err := p.file.read(p.frames[i])
	if err != nil {
		return nil, err
	}
	c, err := l.Decode(data)
	if err != nil {
		return nil, p.file.wrap(err)
	}
	return c, nil
}

// reader reads a run in frames.
type reader struct {
	b     *build
	parts []part
	at    int // row of a part in memory, frame of one on disk
}

// readers reads all runs of stores.
func (b *build) readers(list []*store) (out []source) {
	for _, s := range list {
		for _, r := range s.runs {
			out = append(out, b.reader(r))
		}
	}
	return out
}

func (b *build) reader(r *run) *reader { return &reader{b: b, parts: r.parts} }

func (r *reader) next(context.Context) (cells.Part, error) {
	for len(r.parts) > 0 {
		p := &r.parts[0]
		if p.cells != nil && r.at < p.cells.Len() {
			view := cells.Part{Cells: p.cells, From: r.at, To: min(r.at+r.b.e.size.frameRows, p.cells.Len())}
			r.at = view.To
			return slim(r.b.layout, view)
		}
		if p.cells == nil && r.at < len(p.frames) {
			c, err := p.read(r.b.layout, r.at)
			if err != nil {
				return cells.Part{}, err
			}
			r.at++
			return cells.Part{Cells: c, To: c.Len()}, nil
		}
		r.parts, r.at = r.parts[1:], 0
	}
	return cells.Part{}, nil
}

// slim copies rows that have but a small part of large dictionaries: a merge looks through them many times.
func slim(l *cells.Layout, p cells.Part) (cells.Part, error) {
	for _, d := range p.Cells.Dicts {
		if d == nil || d.Len() <= 2*(p.To-p.From) {
			continue
		}
		c, err := l.Combine(p.Cells.Mask, p)
		if err != nil {
			return p, err
		}
		return cells.Part{Cells: c, To: c.Len()}, nil
	}
	return p, nil
}

// resume takes over the one run of a file that an earlier attempt has finished.
func (s *store) resume() (bool, error) {
	f, ok, err := s.b.tmp.open(s.name)
	if !ok || err != nil {
		return false, err
	}
	s.take(f, nil)
	return true, nil
}

// take makes the one run of a finished file that of the store.
func (s *store) take(f *file, groups sink) {
	s.file = f
	s.begin()
	for i, fr := range f.frames {
		s.runs[0].rows += int64(fr.Rows)
		s.runs[0].parts = append(s.runs[0].parts, part{file: f, frames: f.frames[i : i+1], groups: groups})
	}
}

// cellsOf are the cells of a cuboid that an earlier attempt has finished, for those that are made of it: as they were spilled,
// else out of its row groups.
func (b *build) cellsOf(l *line) (*store, error) {
	s := b.cells(l.n)
	if ok, err := s.resume(); ok || err != nil {
		return s, err
	}
	f, err := l.file.lend()
	if err != nil {
		return nil, fmt.Errorf("cells of cuboid %b: %w", l.n.mask, err)
	}
	s.take(f, l.o.sink)
	return s, nil
}
