package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// budget accounts the memory of all builds of an engine (L3). Work in hand waits for room, what is kept is turned away:
// its owner then spills it. Nobody holds some and waits for more.
type budget struct {
	limit int64
	most  int64 // of what is kept; the rest is for work

	mu      sync.Mutex
	working int64 // of tasks under way
	kept    int64 // of runs and cuboids
	peak    int64
	wait    chan struct{} // closed and replaced when something is given back
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, most: limit / 2, wait: make(chan struct{})}
}

// work takes n bytes for a task, when there is room beside other tasks in what is not for things that stay. A task that is
// larger than all of that runs when no other does.
func (b *budget) work(ctx context.Context, n int64) error {
	for {
		b.mu.Lock()
		if b.working == 0 || b.working+n <= b.limit-b.most {
			b.working += n
			b.peak = max(b.peak, b.working+b.kept)
			b.mu.Unlock()
			return nil
		}
		wait := b.wait
		b.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// forWork is how much all tasks under way have together.
func (b *budget) forWork() int64 { return b.limit - b.most }

func (b *budget) worked(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.working -= n
	b.wake()
}

// keep takes n bytes for something that stays, or refuses.
func (b *budget) keep(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept+n > b.most {
		return false
	}
	b.kept += n
	b.peak = max(b.peak, b.working+b.kept)
	return true
}

func (b *budget) drop(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept -= n
	b.wake()
}

// wake tells those who wait; mu is held.
func (b *budget) wake() {
	close(b.wait)
	b.wait = make(chan struct{})
}

func (b *budget) used() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.working + b.kept, b.peak
}

// DiskLimitError says that a build needed more temporary disk than it may have.
type DiskLimitError struct {
	Need, Used, Limit int64 // bytes
}

func (e *DiskLimitError) Error() string {
	return fmt.Sprintf("builds hold %d bytes of temporary disk and need %d more, the limit is %d: give more (build.disk), or more memory (build.memory)",
		e.Used, e.Need, e.Limit)
}

// DiskFullError says that temporary files did not fit on their disk, whatever the limit. What a build had there is removed.
type DiskFullError struct {
	Dir string // of the build's temporary files
	Err error
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("temporary files of a build: %v: free space below %s, move the data folder (data) to a larger disk, or give builds more memory (build.memory)", e.Err, e.Dir)
}

func (e *DiskFullError) Unwrap() error { return e.Err }

// asDiskFull returns nil if err has another reason.
func asDiskFull(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &DiskFullError{Dir: dir, Err: err}
	}
	return nil
}

// disk accounts temporary files of all builds of an engine (L4).
type disk struct {
	limit int64

	mu   sync.Mutex
	used int64
	peak int64
}

func (d *disk) take(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used+n > d.limit {
		return &DiskLimitError{Need: n, Used: d.used, Limit: d.limit}
	}
	d.used += n
	d.peak = max(d.peak, d.used)
	return nil
}

func (d *disk) give(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used -= n
}

func (d *disk) now() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}
