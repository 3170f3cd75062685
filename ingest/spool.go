package ingest

import "context"

// spoolRoom waits until spooled files are below SpoolBytes.
func (in *Ingester) spoolRoom(ctx context.Context) error {
	for {
		in.mu.Lock()
		full, changed := in.spoolUse >= in.o.SpoolBytes, in.spoolCh
		in.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (in *Ingester) spoolTake(n int64) {
	in.mu.Lock()
	in.spoolUse += n
	in.mu.Unlock()
}

func (in *Ingester) spoolRelease(n int64) {
	in.mu.Lock()
	in.spoolUse -= n
	close(in.spoolCh)
	in.spoolCh = make(chan struct{})
	in.mu.Unlock()
}

// pressure rolls the largest open range when more than half of the memory budget is used (N6). Ranges that are already
// sealed give their memory back when they are committed, so they count as on their way.
func (in *Ingester) pressure() {
	if !in.budget.pressed() {
		return
	}
	var largest *partition
	var most, sealed int64
	for _, p := range in.partitions() {
		p.mu.Lock()
		for _, t := range p.sealed {
			sealed += t.bytes
		}
		if p.open != nil && p.open.bytes > most && len(p.sealed) < in.o.MaxUncommittedRanges {
			largest, most = p, p.open.bytes
		}
		p.mu.Unlock()
	}
	if used, _ := in.budget.load(); largest != nil && used-sealed > in.o.MemoryBudget/2 {
		largest.roll("memory")
	}
}
