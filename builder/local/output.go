package local

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
)

// codec makes row groups of cells. It is used by several goroutines at once.
type codec interface {
	encode(c *cells.Cells) (encoded, error)
	// save appends a row group to b for a temporary file, load reads it back, and cells decodes it: exactly the cells that were
	// encoded.
	save(b []byte, g encoded) ([]byte, error)
	load(b []byte) (encoded, error)
	cells(ctx context.Context, g encoded) (*cells.Cells, error)
}

// sink is where row groups go.
type sink interface {
	codec
	// write appends row groups: those of one cuboid follow each other, and cuboids come in the order of the build.
	write(ctx context.Context, mask uint64, g encoded) error
	// empty says that a cuboid has no rows, where write would come.
	empty(ctx context.Context, mask uint64) error
	// finish uploads what is left.
	finish(ctx context.Context) (builder.EngineOutput, error)
	// abandon gives back what the sink holds, after finish or without it.
	abandon()
}

// encoded is a row group that waits to be written.
type encoded struct {
	data any
	size int64 // bytes in memory
}

// output gives cuboids to a sink in their order. Row groups are encoded as they come, several at once.
type output struct {
	b    *build
	sink sink
	ctx  context.Context // of the one build: those who write outlive the groups of goroutines that give cells
	g    *errgroup.Group // of those who encode beside

	mu      sync.Mutex
	lines   []*line // by place; nil: not begun
	next    int     // the place that is written now
	writing bool    // somebody is in advance
	err     error   // of a write: nothing can be written after it
}

func (b *build) newOutput(ctx context.Context, s sink) *output {
	return &output{b: b, sink: s, ctx: ctx, g: new(errgroup.Group), lines: make([]*line, len(b.nodes))}
}

func (o *output) begin(n *node) *line {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &line{o: o, n: n}
	o.lines[n.place] = l
	return l
}

// resume takes over a cuboid that an earlier attempt has finished; ok is false where there is none.
func (o *output) resume(n *node) (l *line, ok bool, err error) {
	if !o.b.lasting {
		return nil, false, nil
	}
	f, ok, err := o.b.tmp.open(groupsName(n))
	if !ok || err != nil {
		return nil, false, err
	}
	l = o.begin(n)
	o.mu.Lock()
	defer o.mu.Unlock()
	l.file = f
	for _, fr := range f.frames {
		l.groups = append(l.groups, &waiting{rows: fr.Rows, frame: fr, settled: true})
		n.rows += int64(fr.Rows)
	}
	return l, true, nil
}

// advance writes what is ready, unless somebody does: what comes meanwhile is seen by him.
func (o *output) advance() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing || o.err != nil {
		return o.err
	}
	o.writing = true
	defer func() { o.writing = false }()
	for o.err == nil && o.next < len(o.lines) && o.lines[o.next] != nil {
		l := o.lines[o.next]
		switch {
		case o.ctx.Err() != nil:
			return context.Cause(o.ctx)
		case len(l.groups) == 0 && l.ended:
			o.next++
			l.rest()
			if !l.wrote {
				o.err = o.unlocked(func() error { return o.sink.empty(o.ctx, l.n.mask) })
			}
		case len(l.groups) > 0 && l.groups[0].settled:
			w := l.groups[0]
			l.wrote = true
			if o.err = o.unlocked(func() error { return l.write(o.ctx, w) }); o.err == nil {
				l.groups = l.groups[1:]
				w.give(o.b.e.mem)
			}
		default:
			return nil
		}
	}
	return o.err
}

// unlocked runs f without mu, which is held.
func (o *output) unlocked(f func() error) error {
	o.mu.Unlock()
	defer o.mu.Lock()
	return f()
}

// finish waits until all is written.
func (o *output) finish() (out builder.EngineOutput, err error) {
	if err := o.g.Wait(); err != nil {
		return out, err
	}
	o.b.in.Step("upload cuboids", "")
	if o.ctx.Err() != nil {
		return out, context.Cause(o.ctx)
	}
	return o.sink.finish(o.ctx)
}

// abandon waits for those who encode, and gives back what is left. Finished files of cuboids stay for another attempt; the
// folder goes if there will be none.
func (o *output) abandon() {
	_ = o.g.Wait() // run has the error, or another one
	for _, l := range o.lines {
		if l == nil {
			continue
		}
		for _, w := range l.groups {
			w.give(o.b.e.mem)
		}
		if l.file != nil && l.file.full {
			l.file.close()
		} else if l.file != nil {
			l.file.remove()
		}
	}
	o.sink.abandon()
}

// line is the row groups of a cuboid that are not written yet.
type line struct {
	o    *output
	n    *node
	busy sync.WaitGroup // those who encode

	// Of output.mu.
	groups []*waiting // not written
	coming []*waiting // not settled
	err    error      // of encoding: the cuboid is not whole
	ended  bool
	wrote  bool

	putting sync.Mutex // guards what follows until the line has ended
	file    *file      // nil: all groups are in memory
	buf     []byte
}

// waiting is a row group that is not written: being encoded, in memory or in the line's file.
type waiting struct {
	rows    int
	g       encoded // no data: being encoded, or in the file
	bytes   int64   // of the budget
	frame   frame
	settled bool // may be written
}

func (w *waiting) give(mem *budget) {
	if w.bytes > 0 {
		mem.drop(w.bytes)
	}
	w.g, w.bytes = encoded{}, 0
}

func groupsName(n *node) string { return fmt.Sprintf("groups-%x", n.mask) }

// add takes the next row group of the cuboid. The caller holds a thread.
func (l *line) add(c *cells.Cells) error {
	w := &waiting{rows: c.Len()}
	l.o.mu.Lock()
	l.groups, l.coming = append(l.groups, w), append(l.coming, w)
	err := l.o.err
	l.o.mu.Unlock()
	if err != nil {
		return err
	}
	l.busy.Add(1)
	return l.o.b.aside(l.o.g, func() error {
		if err := l.encode(w, c); err != nil {
			return err
		}
		return l.o.advance()
	})
}

func (l *line) encode(w *waiting, c *cells.Cells) error {
	defer l.busy.Done()
	g, err := l.o.sink.encode(c)
	if err == nil {
		l.o.mu.Lock()
		w.g = g
		l.o.mu.Unlock()
		err = l.settle()
	}
	if err != nil {
		l.o.mu.Lock()
		l.err = err
		l.o.mu.Unlock()
	}
	return err
}

// settle puts encoded groups away in their order.
func (l *line) settle() error {
	l.putting.Lock()
	defer l.putting.Unlock()
	for {
		l.o.mu.Lock()
		if len(l.coming) == 0 || l.coming[0].g.data == nil {
			l.o.mu.Unlock()
			return nil
		}
		w := l.coming[0]
		l.coming = l.coming[1:]
		l.o.mu.Unlock()
		if err := l.put(w); err != nil {
			return err
		}
		l.o.mu.Lock()
		w.settled = true
		l.o.mu.Unlock()
	}
}

// put keeps a group in memory while the budget allows it, else in the line's file: there too where another attempt is to find
// it. A group in the file needs no memory until it is written.
func (l *line) put(w *waiting) error {
	b := l.o.b
	if !b.lasting && b.e.mem.keep(w.g.size) {
		w.bytes = w.g.size
		return nil
	}
	var err error
	if l.buf, err = l.o.sink.save(l.buf[:0], w.g); err != nil {
		return err
	}
	if l.file == nil {
		if l.file, err = b.tmp.create(groupsName(l.n)); err != nil {
			return err
		}
	}
	if err := l.file.add(l.buf, w.rows); err != nil {
		return err
	}
	if err := l.file.push(); err != nil {
		return err
	}
	w.frame, w.g = l.file.frames[len(l.file.frames)-1], encoded{}
	b.spilled([]frame{w.frame})
	return nil
}

// end says that the cuboid is whole, as soon as it is.
func (l *line) end() (err error) {
	l.busy.Wait()
	l.o.mu.Lock()
	err = l.err
	l.o.mu.Unlock()
	if err != nil {
		return err
	}
	l.buf = nil
	if l.o.b.lasting && (l.file == nil || !l.file.full) {
		if l.file == nil {
			if l.file, err = l.o.b.tmp.create(groupsName(l.n)); err != nil {
				return err
			}
		}
		if err := l.file.finish(); err != nil {
			return err
		}
	}
	l.o.mu.Lock()
	l.ended = true
	l.o.mu.Unlock()
	return l.o.advance()
}

// write gives a settled group to the sink.
func (l *line) write(ctx context.Context, w *waiting) error {
	g := w.g
	if g.data == nil {
		data, err := l.file.read(w.frame)
		if err != nil {
			return err
		}
		if g, err = l.o.sink.load(data); err != nil {
			return l.file.wrap(err)
		}
	}
	return l.o.sink.write(ctx, l.n.mask, g)
}

// rest frees what a line that is written needs no more. A file that another attempt may need stays, and counts.
func (l *line) rest() {
	switch {
	case l.file == nil:
	case l.file.full:
		l.file.shut()
	default:
		l.file.remove()
		l.file = nil
	}
}
