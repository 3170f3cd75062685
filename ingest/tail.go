package ingest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Pin holds the tail of a table: its chunks stay as they are until Release, whatever is committed meanwhile (N5). A pin
// older than PinTimeout is lost: its memory no longer counts, so whoever holds it must drop it and pin again.
type Pin struct {
	Ranges []stage.TailRange

	in    *Ingester
	taken time.Time
	lost  atomic.Bool
	once  sync.Once
	held  []pinned
}

// Tail returns the ranges, ascending by offset within a partition.
func (pin *Pin) Tail() []stage.TailRange { return pin.Ranges }

// Lost reports whether the pin was held for longer than PinTimeout.
func (pin *Pin) Lost() bool { return pin.lost.Load() }

type pinned struct {
	p *partition
	t *tailRange
}

// PinTail pins the tail of a table, by its id. A partition whose tail is empty has a Range with Start == End, so that a
// query knows from where on nothing was read. Every pin must be released.
func (in *Ingester) PinTail(tableID string) *Pin {
	pin := &Pin{in: in, taken: time.Now()}
	for _, p := range in.partitions() {
		p.mu.Lock()
		if p.table.def.ID == tableID {
			p.pinLocked(pin)
		}
		p.mu.Unlock()
	}
	in.mu.Lock()
	in.pins[pin] = true
	in.mu.Unlock()
	return pin
}

func (p *partition) pinLocked(pin *Pin) {
	ranges := slices.Clone(p.sealed)
	if p.open != nil {
		ranges = append(ranges, p.open)
	}
	line := func(start, end int64) segmenter.PartitionRange {
		return segmenter.PartitionRange{Partition: p.tp.partition, Generation: p.generation, Start: start, End: end}
	}
	end := int64(0)
	if !p.endAt.IsZero() && p.stateLocked() == AtEnd {
		end = p.endAt.UnixMicro()
	}
	if len(ranges) == 0 {
		pin.Ranges = append(pin.Ranges, stage.TailRange{Range: line(p.next, p.next), Epoch: p.epoch, Schema: p.table.schema, EndUs: end})
	}
	for _, t := range ranges {
		t.pins++
		pin.held = append(pin.held, pinned{p, t})
		chunks, sealed := t.snapshot(t == p.open)
		pin.Ranges = append(pin.Ranges, stage.TailRange{
			Range: line(t.start, t.end), Epoch: p.epoch, Schema: t.schema, Chunks: chunks, Sealed: sealed,
			Exceptions: slices.Clone(t.exceptions), Lost: t.lost != nil, EndUs: end,
		})
	}
}

// Release gives the chunks back. Memory of committed ranges that nobody else holds leaves the budget.
func (pin *Pin) Release() {
	pin.once.Do(func() {
		pin.in.mu.Lock()
		delete(pin.in.pins, pin)
		pin.in.mu.Unlock()
		for _, h := range pin.held {
			h.p.mu.Lock()
			h.t.pins--
			if i := slices.Index(h.p.pinned, h.t); i >= 0 && h.t.pins == 0 {
				h.p.pinned = slices.Delete(h.p.pinned, i, i+1)
				h.p.in.budget.add(-h.t.bytes)
			}
			h.p.mu.Unlock()
		}
	})
}

// expirePins takes back what readers have held for too long: a reader that hangs must not stop reading.
func (in *Ingester) expirePins(now time.Time) {
	var old []*Pin
	in.mu.Lock()
	for pin := range in.pins {
		if now.Sub(pin.taken) >= in.o.PinTimeout {
			old = append(old, pin)
		}
	}
	in.mu.Unlock()
	for _, pin := range old {
		pin.lost.Store(true)
		pin.Release()
		in.met.pinsLost.Inc()
	}
}
