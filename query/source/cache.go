package source

import (
	"container/list"
	"context"
	"sync"
	"weak"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// cellKey names cells for good: what it names never changes (E3). A chunk is named by itself, without being held: another one
// never has its name.
type cellKey struct {
	file   string
	chunk  weak.Pointer[stage.Chunk]
	keep   string
	layout *cells.Layout
	mask   uint64
	ids    int64
}

// kept are the cells of a file or a chunk.
type kept struct {
	list   []any // what Convert made of them
	events int64 // that they are made of
	size   int64 // bytes of memory
}

// entryBytes is about what an entry takes beside its cells.
const entryBytes = 512

func (k *kept) bytes() int64 { return entryBytes + k.size }

// cellCache keeps cells under a limit of bytes; those that were not used for the longest time give way.
type cellCache struct {
	limit int64
	m     *metrics

	mu      sync.Mutex // guards all below, and the entries
	entries map[cellKey]*cellEntry
	used    list.List // of *cellEntry that are done, the last used first
	bytes   int64
}

type cellEntry struct {
	key   cellKey
	done  chan struct{}
	place *list.Element // nil: not done
	kept
	err     error
	stopped bool // whoever made it was cancelled
}

// get returns the cells of a key, and whether they were there; else read makes them, for all who ask meanwhile.
func (c *cellCache) get(ctx context.Context, key cellKey, read func(ctx context.Context) (kept, error)) (kept, bool, error) {
	for {
		c.mu.Lock()
		e := c.entries[key]
		if e == nil {
			e = c.begin(key)
			c.mu.Unlock()
			c.m.cells.WithLabelValues("made").Inc()
			c.end(ctx, e, read)
			return e.kept, false, e.err
		}
		if e.place != nil {
			c.used.MoveToFront(e.place)
		}
		c.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return kept{}, false, context.Cause(ctx)
		}
		if !e.stopped {
			c.m.cells.WithLabelValues("kept").Inc()
			return e.kept, e.err == nil, e.err
		}
	}
}

func (c *cellCache) begin(key cellKey) *cellEntry {
	if c.entries == nil {
		c.entries = map[cellKey]*cellEntry{}
	}
	e := &cellEntry{key: key, done: make(chan struct{})}
	c.entries[key] = e
	return e
}

// end makes the cells of an entry. Those of a failure are not kept, nor those that would push most others out.
func (c *cellCache) end(ctx context.Context, e *cellEntry, read func(ctx context.Context) (kept, error)) {
	finished := false
	defer func() { // also after a panic, for those who wait
		c.mu.Lock()
		defer c.mu.Unlock()
		e.stopped = !finished || (e.err != nil && ctx.Err() != nil)
		if n := e.bytes(); !finished || e.err != nil || n > c.limit/4 {
			delete(c.entries, e.key)
		} else {
			e.place = c.used.PushFront(e)
			c.bytes += n
			c.evict()
		}
		close(e.done)
	}()
	e.kept, e.err = read(ctx)
	finished = true
}

func (c *cellCache) evict() {
	for c.bytes > c.limit {
		old := c.used.Remove(c.used.Back()).(*cellEntry)
		delete(c.entries, old.key)
		c.bytes -= old.kept.bytes()
		c.m.evicted.Inc()
	}
	c.m.cellBytes.Set(float64(c.bytes))
}
