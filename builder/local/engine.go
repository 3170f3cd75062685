package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
)

// Engine makes cuboids in this process. It is safe for concurrent use: builds share its limits.
type Engine struct {
	o    Options
	size sizes
	mem  *budget
	disk *disk
	m    *metrics

	newSink func(ctx context.Context, b *build) (sink, error)
	files   files

	mu   sync.Mutex
	open map[string]bool // folders of builds under way, by name
}

// New returns an engine.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	e := &Engine{o: o, size: sizesFor(o.Memory), mem: newBudget(o.Memory), disk: &disk{limit: o.Disk}, newSink: openSink, files: osFiles{}, open: map[string]bool{}}
	e.m = newMetrics(e)
	return e, nil
}

// Build makes the cuboids of a segment below in.Folder. A *builder.FinalError says that trying again cannot help.
func (e *Engine) Build(ctx context.Context, in builder.EngineInput) (out builder.EngineOutput, err error) {
	layout, err := cells.NewLayout(in.Cube, in.Table)
	if err != nil {
		return out, &builder.FinalError{Err: err}
	}
	masks, err := in.Cube.Cuboids()
	if err != nil {
		return out, &builder.FinalError{Err: err}
	}
	b := &build{e: e, in: in, layout: layout, nodes: order(masks), cpu: make(chan struct{}, e.o.Threads)}
	b.lasting = b.inputRows() >= e.size.lasting
	leave, err := b.enter()
	if err != nil {
		return out, err
	}
	defer func() {
		var final *builder.FinalError
		var full *DiskFullError // what is left would be in the way of others
		var ids *dictionary.DiskFullError
		leave(err == nil || errors.As(err, &final) || errors.As(err, &full) || errors.As(err, &ids))
	}()
	return b.run(ctx)
}

// build is one call of Build.
type build struct {
	e      *Engine
	in     builder.EngineInput
	layout *cells.Layout
	nodes  []*node // in the order of the output
	tmp    folder
	ids    *idSets       // nil: no exact distinct counts of strings
	cpu    chan struct{} // holds one for each thread that computes

	mu     sync.Mutex
	stores map[*store]bool             // what is left of them is dropped at the end
	reused struct{ runs, cuboids int } // what an earlier attempt left

	lasting bool // cuboids are kept for another attempt as soon as they are finished
}

// inputRows counts what is read: events, or the cells of the base cuboids that are merged.
func (b *build) inputRows() (n int64) {
	if len(b.in.Merged) == 0 {
		return b.in.Events
	}
	for _, m := range b.in.Merged {
		for _, e := range m.Cuboids {
			if uint64(e.Cuboid) == b.nodes[0].mask {
				n += e.Rows
			}
		}
	}
	return n
}

// enter makes the folder of temporary files. Its name holds what is built and from what, so that another attempt at the same
// finds what this one leaves.
func (b *build) enter() (leave func(done bool), err error) {
	merged := []string{} // content may be cut into segments in several ways, and floats add up to other bits in each
	for _, m := range b.in.Merged {
		merged = append(merged, fmt.Sprintf("%s.%d", m.SegmentID, m.Attempt))
	}
	def, err := json.Marshal([]any{spillMagic, b.in.Content, b.in.Cube, b.in.Table, merged, b.e.size.deciding()})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(def)
	name := hex.EncodeToString(sum[:12])
	b.tmp = folder{path: filepath.Join(b.e.o.Dir, name), disk: b.e.disk, files: b.e.files}
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.open[name] {
		return nil, errors.New("another attempt at this segment runs in this process still")
	}
	if err := os.MkdirAll(b.tmp.path, 0o755); err != nil {
		return nil, errors.Join(asDiskFull(b.e.o.Dir, err), fmt.Errorf("folder of a build: %w", err))
	}
	if err := b.tmp.clear(partSuffix); err != nil {
		return nil, err
	}
	b.e.open[name] = true
	b.e.sweep()
	b.stores = map[*store]bool{}
	return func(done bool) {
		for s := range b.stores {
			s.leave(done)
		}
		b.e.mu.Lock()
		defer b.e.mu.Unlock()
		if done {
			_ = os.RemoveAll(b.tmp.path) // sweep takes what stays
		}
		delete(b.e.open, name)
	}, nil
}

// sweep removes what builds have left that nobody has tried again for long; mu is held.
func (e *Engine) sweep() {
	list, err := os.ReadDir(e.o.Dir)
	if err != nil {
		return // the build that comes next says so
	}
	for _, d := range list {
		info, err := d.Info()
		if err != nil || e.open[d.Name()] || time.Since(info.ModTime()) < e.o.Keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(e.o.Dir, d.Name())); err != nil {
			e.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "temporary files of a build stay", slog.String("path", d.Name()), slog.Any("err", err))
		}
	}
}

// store returns an empty store whose file would have this name.
func (b *build) store(name string) *store {
	s := &store{b: b, name: name}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores[s] = true
	return s
}

func (b *build) spilled(list []frame) {
	n := int64(0)
	for _, f := range list {
		n += f.Size
	}
	b.e.m.spilledBytes.Add(float64(n))
}

// compute runs f when a thread is free.
func (b *build) compute(ctx context.Context, f func() error) error {
	select {
	case b.cpu <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.cpu }()
	return f()
}

// aside runs f in a goroutine of g where a thread is free, else at once: whoever calls it holds one.
func (b *build) aside(g *errgroup.Group, f func() error) error {
	select {
	case b.cpu <- struct{}{}:
	default:
		return f()
	}
	g.Go(func() error {
		defer func() { <-b.cpu }()
		return f()
	})
	return nil
}
