package query

import (
	"container/list"
	"sync"
)

// programs bounds the bytes of what is compiled for blocks whose plans are kept: beyond the limit those of the blocks that were not asked
// for the longest are forgotten, and compiled again when they are. What belongs to one statement alone goes with it.
type programs struct {
	limit int64
	m     *metrics

	mu    sync.Mutex
	items map[*blockPlan]*list.Element
	order list.List // of *programsOf, the one asked for last in front
	bytes int64
}

// programsOf are those of one block.
type programsOf struct {
	of    *blockPlan
	bytes int64
}

func newPrograms(limit int64, m *metrics) *programs {
	return &programs{limit: limit, m: m, items: map[*blockPlan]*list.Element{}}
}

// add counts more bytes of a block, or fewer; 0: it was asked for.
func (c *programs) add(bp *blockPlan, bytes int64) {
	for _, old := range c.count(bp, bytes) {
		old.forget()
		c.m.programsDropped.Inc()
	}
}

// count returns the blocks that are to be forgotten, which is not done under the lock: theirs is taken first elsewhere.
func (c *programs) count(bp *blockPlan, bytes int64) (gone []*blockPlan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.items[bp]
	if !ok {
		if bytes <= 0 {
			return nil
		}
		at = c.order.PushFront(&programsOf{of: bp})
		c.items[bp] = at
	}
	c.order.MoveToFront(at)
	at.Value.(*programsOf).bytes += bytes
	for c.bytes += bytes; c.bytes > c.limit; {
		last := c.order.Back().Value.(*programsOf)
		c.removeLocked(last.of)
		gone = append(gone, last.of)
	}
	c.m.programBytes.Set(float64(c.bytes))
	return gone
}

// drop forgets blocks of a plan that is no longer kept.
func (c *programs) drop(p *prepared) {
	for _, bp := range p.blocks {
		bp.mu.Lock()
		bp.kept = false
		bp.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, bp := range p.blocks {
		c.removeLocked(bp)
	}
	c.m.programBytes.Set(float64(c.bytes))
}

func (c *programs) removeLocked(bp *blockPlan) {
	if at, ok := c.items[bp]; ok {
		c.bytes -= at.Value.(*programsOf).bytes
		c.order.Remove(at)
		delete(c.items, bp)
	}
}
