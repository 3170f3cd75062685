package local

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
)

// sink is where row groups go.
type sink interface {
	// encode makes bytes of a row group. It is called by several goroutines at once.
	encode(c *cells.Cells) (encoded, error)
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
	g    *errgroup.Group // of those who encode beside

	mu      sync.Mutex
	lines   []*line // by place; nil: not begun
	next    int     // the place that is written now
	writing bool    // somebody is in advance
	err     error   // of a write: nothing can be written after it
}

// line is the row groups of a cuboid that are not written yet.
type line struct {
	o      *output
	n      *node
	groups []*encoded // nil data: being encoded
	ended  bool
	wrote  bool
}

func (b *build) newOutput(s sink) *output {
	return &output{b: b, sink: s, g: new(errgroup.Group), lines: make([]*line, len(b.nodes))}
}

func (o *output) begin(n *node) *line {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &line{o: o, n: n}
	o.lines[n.place] = l
	return l
}

// add takes the next row group of the cuboid. The caller holds a thread.
func (l *line) add(ctx context.Context, c *cells.Cells) error {
	g := new(encoded)
	l.o.mu.Lock()
	l.groups = append(l.groups, g)
	err := l.o.err
	l.o.mu.Unlock()
	if err != nil {
		return err
	}
	return l.o.b.aside(l.o.g, func() error {
		enc, err := l.o.sink.encode(c)
		if err != nil {
			return err
		}
		l.o.mu.Lock()
		*g = enc
		l.o.mu.Unlock()
		return l.o.advance(ctx)
	})
}

// end says that the cuboid is whole.
func (l *line) end(ctx context.Context) error {
	l.o.mu.Lock()
	l.ended = true
	l.o.mu.Unlock()
	return l.o.advance(ctx)
}

// advance writes what is ready, unless somebody does: what comes meanwhile is seen by him.
func (o *output) advance(ctx context.Context) error {
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
		case len(l.groups) == 0 && l.ended:
			o.next++
			if !l.wrote {
				o.err = o.unlocked(func() error { return o.sink.empty(ctx, l.n.mask) })
			}
		case len(l.groups) > 0 && l.groups[0].data != nil:
			g := *l.groups[0]
			l.groups, l.wrote = l.groups[1:], true
			o.err = o.unlocked(func() error { return o.sink.write(ctx, l.n.mask, g) })
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
func (o *output) finish(ctx context.Context) (out builder.EngineOutput, err error) {
	if err := o.g.Wait(); err != nil {
		return out, err
	}
	o.b.in.Step("upload cuboids", "")
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	return o.sink.finish(ctx)
}

// abandon waits for those who encode, and gives back what is left.
func (o *output) abandon() {
	_ = o.g.Wait() // run has the error, or another one
	o.sink.abandon()
}
