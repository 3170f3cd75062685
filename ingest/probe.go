package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A partition that shows nothing below the broker's end is asked why: soon when nothing at all is coming in, late when
// others are read and it may just wait for its turn.
const (
	probeAfter     = time.Second
	probeAfterBusy = 15 * time.Second
)

// probe finds the end of a log that holds no more records below its last stable offset: aborted transactions or
// compaction left batches empty, and the client shows nothing of them.
func (in *Ingester) probe(p *partition, now time.Time) {
	after := probeAfter
	if now.UnixNano()-in.lastFetch.Load() < int64(probeAfter) {
		after = probeAfterBusy
	}
	p.mu.Lock()
	from := p.next
	idle := p.next < p.end && now.Sub(p.moved) >= after && !p.paused && !p.probing
	if idle && p.inbox.empty() {
		p.probing = true
	} else {
		idle = false
	}
	p.mu.Unlock()
	if !idle {
		return
	}
	in.later(func(ctx context.Context) {
		defer func() {
			p.mu.Lock()
			p.probing, p.moved = false, time.Now()
			p.mu.Unlock()
			in.poke()
		}()
		if acquire(ctx, in.probeSlot) != nil { // one at a time: each may bring a whole batch
			return
		}
		defer func() { <-in.probeSlot }()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		fp, next, err := in.admin.read(ctx, p.tp, in.topicID(p.tp), from)
		switch {
		case errors.Is(err, errOtherTopic):
			in.reopenTopic(p.tp.topic, err.Error())
		case errors.Is(err, kerr.OffsetOutOfRange):
			in.reopen(p.tp, err.Error())
		case err != nil:
			p.fail(Failing, err.Error())
		case len(fp.Records) == 0 && next > from:
			p.inbox.push(batch{next: next})
		case len(fp.Records) > 0 && fp.Records[0].Offset > from:
			p.inbox.push(batch{next: fp.Records[0].Offset})
		case len(fp.Records) > 0 && p.stuck(from, time.Now()):
			in.reopen(p.tp, "the client brings nothing of what the broker has")
		}
	})
}

// stuckAfter is how long the broker may have a record that the client does not bring.
const stuckAfter = time.Minute

// stuck notes that the broker has a record at an offset, and reports whether that is so for too long. A process that
// waits for memory brings nothing either, and is not stuck.
func (p *partition) stuck(at int64, now time.Time) bool {
	waits := p.in.budget.full() || p.in.held(p.tp)
	p.mu.Lock()
	defer p.mu.Unlock()
	if waits || p.next != at || p.stuckAt != at || p.stuckSince.IsZero() {
		p.stuckAt, p.stuckSince = at, now
		return false
	}
	return now.Sub(p.stuckSince) >= stuckAfter
}

// held reports whether a table that reads the partition waits for commits: then nothing of it is fetched for any table.
func (in *Ingester) held(tp topicPartition) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.sources[tp]
	return s != nil && slices.ContainsFunc(s.parts, func(p *partition) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.paused
	})
}

// topicID returns the id that the topic had when the partition was opened, or nothing.
func (in *Ingester) topicID(tp topicPartition) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s := in.sources[tp]; s != nil {
		return s.topicID
	}
	return ""
}
