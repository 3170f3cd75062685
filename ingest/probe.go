package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// probeAfter is how long a partition may show nothing below the broker's end before it is asked why.
const probeAfter = time.Second

// probe finds the end of a log that holds no more records below its last stable offset: aborted transactions or
// compaction left batches empty, and the client shows nothing of them.
func (in *Ingester) probe(p *partition, now time.Time) {
	p.mu.Lock()
	from := p.next
	idle := p.next < p.end && now.Sub(p.moved) >= probeAfter && !p.paused && !p.probing
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
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		fp, next, err := in.admin.read(ctx, p.tp.topic, p.tp.partition, from)
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			in.reopen(p.tp, err.Error())
		case err != nil:
			p.fail(Failing, err.Error())
		case len(fp.Records) == 0 && next > from:
			p.inbox.push(batch{next: next})
		case len(fp.Records) > 0 && fp.Records[0].Offset > from:
			p.inbox.push(batch{next: fp.Records[0].Offset})
		}
	})
}
