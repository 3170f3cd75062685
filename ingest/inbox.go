package ingest

import (
	"context"
	"sync"
)

// inbox hands fetched batches to a partition's worker. It has no limit of its own: the budget's queue limit holds for
// all inboxes together, so that one slow partition does not block the others.
type inbox struct {
	mu     sync.Mutex // guards items and closed
	items  []batch
	closed bool
	ready  chan struct{} // capacity 1
}

func newInbox() inbox { return inbox{ready: make(chan struct{}, 1)} }

// push reports whether the batch was taken: a closed inbox takes none.
func (b *inbox) push(x batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.items = append(b.items, x)
	wake(b.ready)
	return true
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) == 0
}

func (b *inbox) pop(ctx context.Context) (batch, bool) {
	for {
		b.mu.Lock()
		if len(b.items) > 0 {
			x := b.items[0]
			b.items[0] = batch{}
			b.items = b.items[1:]
			b.mu.Unlock()
			return x, true
		}
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return batch{}, false
		case <-b.ready:
		}
	}
}

// close empties the inbox for good and returns the bytes that were queued.
func (b *inbox) close() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	var n int64
	for _, x := range b.items {
		n += x.bytes
	}
	b.items = nil
	return n
}
