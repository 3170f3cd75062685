package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// State says what a partition is doing.
type State string

// The states of a source.
const (
	WaitingForTopic State = "waiting_for_topic" // the topic does not exist, or may not be read
	Reading         State = "reading"
	Paused          State = "paused"  // too much is sealed and not committed: the store or the catalog is slow
	AtEnd           State = "at_end"  // nothing to read
	Opening         State = "opening" // its place in the log is looked up, or it is opened again; see the reason
	Stopped         State = "stopped" // by a policy or a person; see the reason
	Failing         State = "failing" // retried; see the reason
	TakenOver       State = "taken_over"
)

// batch is what one fetch brought for one partition. The records belong to the partition from then on.
type batch struct {
	records []*kgo.Record
	bytes   int64
	next    int64 // set when there are no records: reading goes on here, what lies before are gaps
}

// partition reads one partition of one table's topic.
type partition struct {
	in *Ingester
	tp topicPartition

	inbox    inbox
	publish  chan struct{} // capacity 1: something is sealed
	progress chan struct{} // capacity 1: something was committed
	gone     chan struct{} // closed when the publisher has ended
	stopWork func()        // ends the worker and waits for it
	cancel   context.CancelFunc

	// claim is a slot of capacity 1, held over a change of the catalog's rows, uploads included, so that one under another
	// epoch never comes between. Whoever waits for it can give up; it is taken before mu.
	claim chan struct{}

	scratchOf *table // the definition the worker's scratch chunk fits; the worker's own

	mu         sync.Mutex // guards all below
	table      *table
	epoch      int64
	regained   time.Time // when the partition was first claimed again, of late
	regains    int       // how often since
	generation int32
	first      int64 // first offset of this generation
	next       int64 // the next offset to decode
	committed  int64
	end        int64     // last stable offset, as last seen
	endAt      time.Time // all that the log held then is below end: just before the brokers were asked; zero: they were not
	target     int64     // UntilEnd: where reading is done
	moved      time.Time
	probing    bool
	stuckAt    int64 // the broker has a record here that the client does not bring
	stuckSince time.Time
	open       *tailRange
	sealed     []*tailRange // in order, not committed
	pinned     []*tailRange // committed, still held by readers
	rollWanted string       // a roll that waits for a commit
	paused     bool
	state      State
	reason     string
	failedAt   time.Time
	highestUs  int64 // highest event time seen; the watermark is this less the lateness
	seen       bool  // highestUs is set
	window     badWindow
	events     int64 // decoded since the start
}

// badWindow is the share of unreadable records among the last ones.
type badWindow struct{ records, bad int64 }

// add counts and, when a window is full, reports its share of unreadable records.
func (w *badWindow) add(records, bad, size int64) (share float64, full bool) {
	w.records += records
	w.bad += bad
	if w.records < size {
		return 0, false
	}
	share = float64(w.bad) / float64(w.records)
	w.records, w.bad = 0, 0
	return share, true
}

// work decodes what the inbox brings until ctx is done.
func (p *partition) work(ctx context.Context) {
	var scratch *stage.Chunk
	for {
		b, ok := p.inbox.pop(ctx)
		if !ok {
			return
		}
		scratch = p.process(b, scratch)
		p.in.budget.queue(-b.bytes)
	}
}

// process decodes a batch, in parallel where it is long, and adds it to the open range in order of offsets.
// scratch is an empty chunk to decode into, or nil; the one returned is for the next call.
func (p *partition) process(b batch, scratch *stage.Chunk) *stage.Chunk {
	p.mu.Lock()
	t, from := p.table, p.next
	p.mu.Unlock()
	if p.scratchOf != t {
		p.scratchOf, scratch = t, nil
	}
	if len(b.records) == 0 {
		p.add(decodedRun{chunk: &stage.Chunk{}, next: b.next, exceptions: segmenter.Exceptions{}.Add(segmenter.Gap, from, b.next)}, t)
		return scratch
	}
	recs := b.records
	for len(recs) > 0 && recs[0].Offset < from {
		recs = recs[1:] // read for another table of the topic, or again after a reset
	}
	runs := split(recs)
	results := make([]decodedRun, len(runs))
	var wg sync.WaitGroup
	for i, run := range runs {
		chunk := scratch
		scratch = nil
		if chunk == nil {
			chunk = t.chunk(len(run))
		}
		start := from
		if i > 0 {
			start = runs[i-1][len(runs[i-1])-1].Offset + 1
		}
		p.in.decodeSlots <- struct{}{}
		wg.Go(func() {
			defer func() { <-p.in.decodeSlots }()
			d := t.decoder()
			results[i] = decodeRun(d, start, run, chunk)
			t.giveBack(d)
			if chunk.Rows() >= wholeRun {
				t.seen(chunk)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		for {
			if kept := p.add(r, t); !kept {
				r.chunk.Reset()
				scratch = r.chunk
			}
			p.maybeRoll()
			if len(r.rest) == 0 {
				break
			}
			d := t.decoder()
			r = decodeRun(d, r.next, r.rest, t.chunk(len(r.rest)))
			t.giveBack(d)
		}
	}
	p.in.pressure()
	return scratch
}

// add puts a decoded run into the open range, opening one where there is none.
func (p *partition) add(r decodedRun, t *table) (kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.next <= p.next {
		return false
	}
	if p.open != nil && p.open.table != t {
		p.forceSealLocked("schema") // one file holds one schema version
	}
	if p.open == nil {
		p.open = &tailRange{start: p.next, end: p.next, schema: t.schema, table: t, openedAt: time.Now()}
	}
	grown, kept := p.open.add(r)
	p.in.budget.add(grown)
	p.next, p.moved = r.next, time.Now()
	p.end = max(p.end, r.next)
	if rows := r.chunk.Rows(); rows > 0 {
		p.events += int64(rows)
		if !p.seen || r.chunk.MaxTimeUs > p.highestUs {
			p.highestUs, p.seen = r.chunk.MaxTimeUs, true
		}
	}
	p.in.met.decoded(p, r)
	q := t.def.Quarantine
	if share, full := p.window.add(r.records, int64(len(r.bad)), int64(q.Window)); full && q.MaxShare < 1 && share > q.MaxShare {
		p.in.stopTable(t.def, share, q.MaxShare)
	}
	return kept
}

// maybeRoll seals the open range when it is large enough.
func (p *partition) maybeRoll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return
	}
	s := p.open.table.def.Staging
	switch {
	case p.open.rows >= s.RollRows:
		p.sealLocked("rows")
	case p.open.bytes >= s.RollBytes:
		p.sealLocked("bytes")
	}
}

// roll seals what is there, for a reason that is not size.
func (p *partition) roll(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealLocked(reason)
}

// rollIfOlder seals an open range of the age its table names.
func (p *partition) rollIfOlder(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil && now.Sub(p.open.openedAt) >= p.open.table.def.Staging.RollAge {
		p.sealLocked("age")
	}
}

// sealLocked hands the open range to the publisher; the next record opens another. Where too many wait already, the
// partition pauses and the range is sealed once one of them is committed.
func (p *partition) sealLocked(reason string) {
	if p.open == nil || p.open.end == p.open.start {
		return
	}
	if len(p.sealed) >= p.in.o.MaxUncommittedRanges {
		p.rollWanted = reason
		p.pauseLocked()
		return
	}
	p.forceSealLocked(reason)
}

func (p *partition) pauseLocked() {
	if !p.paused {
		p.paused = true
		p.in.feed.hold(p.tp, p)
	}
}

func (p *partition) resumeLocked() {
	if p.paused {
		p.paused = false
		p.in.feed.letGo(p.tp, p)
	}
}

// switchTable reads what follows by another version of the definition.
func (p *partition) switchTable(t *table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.table == t {
		return
	}
	p.forceSealLocked("schema")
	p.table = t
}

// forceSealLocked seals even where too many ranges wait already.
func (p *partition) forceSealLocked(reason string) {
	if p.open == nil || p.open.end == p.open.start {
		return
	}
	p.rollWanted = ""
	p.sealed = append(p.sealed, p.open)
	p.open = nil
	p.in.met.rolls.WithLabelValues(reason).Inc()
	wake(p.publish)
}

// fail notes why the partition does not move; an empty reason means that it does.
func (p *partition) fail(state State, reason string) {
	p.mu.Lock()
	changed := p.state != state || p.reason != reason
	p.state, p.reason, p.failedAt = state, reason, time.Now()
	p.mu.Unlock()
	if changed && reason != "" {
		p.in.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "partition does not move",
			slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)), slog.String("kind", string(state)), slog.String("err", reason))
	}
}

// failureFades is how long after its last failure a partition counts as healthy again, though nothing new came in.
// Whatever still fails is tried far more often.
const failureFades = 10 * time.Second

// seenLocked notes where the log ends now, as a broker that answers has said.
func (p *partition) seenLocked(info *topicInfo, now time.Time) {
	id := p.tp.partition
	p.end = max(info.lastStable[id], p.next)
	if info.lastStable[id] >= info.high[id] { // else what is below end says nothing of transactions that are open
		p.endAt = info.asked
	}
	if p.state == Failing && len(p.sealed) == 0 && now.Sub(p.failedAt) > failureFades {
		p.state, p.reason = Reading, ""
	}
}

// settled reports whether all that was read is committed.
func (p *partition) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open == nil && len(p.sealed) == 0
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a full channel already means "run"
	}
}
