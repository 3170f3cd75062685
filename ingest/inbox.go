package ingest

import (
	"context"
	"sync"
)

// inbox hands fetched batches to a partition's worker. It has no limit of its own: the budget's queue limit holds for
// all inboxes together, so that one slow partition does not block the others.
type inbox struct {
	mu    sync.Mutex // guards items
	items []batch
	ready chan struct{} // capacity 1
}

func newInbox() inbox { return inbox{ready: make(chan struct{}, 1)} }

func (b *inbox) push(x batch) {
	b.mu.Lock()
	b.items = append(b.items, x)
	b.mu.Unlock()
	wake(b.ready)
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

// drop empties the inbox and returns the bytes that were queued.
func (b *inbox) drop() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var n int64
	for _, x := range b.items {
		n += x.bytes
	}
	b.items = nil
	return n
}
