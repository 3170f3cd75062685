package ingest

import (
	"context"
	"sync"
	"time"
)

// budget counts the bytes that events hold in memory (N6): columns and unreadable records until they are committed and
// unpinned, fetched records until they are decoded.
type budget struct {
	limit      int64
	queueLimit int64

	mu      sync.Mutex // guards all below
	used    int64
	queued  int64
	changed chan struct{} // closed and replaced whenever used or queued falls
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, queueLimit: limit / 6, changed: make(chan struct{})}
}

func (b *budget) add(n int64) {
	b.mu.Lock()
	b.used += n
	if n < 0 {
		b.wakeLocked()
	}
	b.mu.Unlock()
}

func (b *budget) queue(n int64) {
	b.mu.Lock()
	b.queued += n
	if n < 0 {
		b.wakeLocked()
	}
	b.mu.Unlock()
}

func (b *budget) wakeLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// pressed reports whether more than half of the budget is used: time to roll the largest open range.
func (b *budget) pressed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used > b.limit/2
}

// full reports whether nothing more is fetched.
func (b *budget) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fullLocked()
}

func (b *budget) fullLocked() bool { return b.used+b.queued > b.limit }

func (b *budget) load() (used, queued int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.queued
}

// gate waits until there is room for another fetch. Waiting for decoders is the normal beat of reading and is not
// counted; waiting for memory is, and pause returns how long it took.
func (b *budget) gate(ctx context.Context) (pause time.Duration, err error) {
	for {
		b.mu.Lock()
		full := b.fullLocked()
		busy := b.queued > b.queueLimit
		changed := b.changed
		b.mu.Unlock()
		if !full && !busy {
			return pause, nil
		}
		start := time.Now()
		select {
		case <-ctx.Done():
			return pause, ctx.Err()
		case <-changed:
		}
		if full {
			pause += time.Since(start)
		}
	}
}
