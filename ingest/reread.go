package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// A request to read offsets again that met a passing failure is tried again after a pause, which grows.
const (
	rereadPause    = time.Second
	rereadPauseMax = time.Minute
)

// rereadTriesUntilEnd is how often a reader that ends tries one request; then it is left to the next reader.
const rereadTriesUntilEnd = 5

// rereadTry is what became of a request that met a passing failure.
type rereadTry struct {
	req   catalog.Reread
	pause time.Duration
	after time.Time // when it may be tried again
	tries int
	last  error
}

// rereadRequests serves requests to read offsets again, of partitions that this process reads, one at a time. A request
// that nobody can serve ends with the reason.
func (in *Ingester) rereadRequests(ctx context.Context, now time.Time) error {
	reqs, err := in.o.Catalog.Rereads(ctx)
	if err != nil {
		return err
	}
	in.rereadsOpen = len(reqs) > 0
	pending, mine := map[int64]bool{}, 0
	for _, r := range reqs {
		pending[r.ID] = true
		p := in.reader(r)
		if p == nil {
			if why := in.unservable(r); why != "" {
				if err := in.finishReread(ctx, r, []string{why}); err != nil {
					return err
				}
			}
			continue
		}
		if in.rereadLeft(r.ID) {
			continue
		}
		mine++
		if in.takeReread(r.ID, now) {
			in.later(func(ctx context.Context) { in.reread(ctx, p, r) })
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.rereadsMine = mine
	for id := range in.rereads {
		if !pending[id] {
			delete(in.rereads, id)
		}
	}
	return nil
}

// reader returns the partition that a request is about, where this process reads it.
func (in *Ingester) reader(r catalog.Reread) *partition {
	for _, p := range in.partitions() {
		if p.tp.partition == r.Range.Partition && p.tableID() == r.TableID {
			return p
		}
	}
	return nil
}

// unservable says why no process will ever read what is asked for, or nothing.
func (in *Ingester) unservable(r catalog.Reread) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s, ok := in.stopped[r.TableID]; ok {
		return fmt.Sprintf("table %s is not read: %s; mend that (one that was stopped: tidemark table resume %s), then ask again", s.Table, s.Reason, s.Table)
	}
	t := in.tables[r.TableID]
	if t == nil {
		return ""
	}
	st := in.topics[t.def.Topic]
	if st == nil || st.err != nil || st.info == nil {
		return ""
	}
	if _, there := st.info.leaders[r.Range.Partition]; !there {
		return "topic " + t.def.Topic + " has no such partition"
	}
	return ""
}

// takeReread reports whether a request is to be tried now; then nothing else is until doneReread.
func (in *Ingester) takeReread(id int64, now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if t := in.rereads[id]; in.rereading || in.closing || t != nil && now.Before(t.after) {
		return false
	}
	in.rereading = true
	return true
}

// rereadLeft reports whether a request is left to the next reader, as this one is to end (UntilEnd).
func (in *Ingester) rereadLeft(id int64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	t := in.rereads[id]
	return in.o.UntilEnd && t != nil && t.tries >= rereadTriesUntilEnd
}

// rereadsLeft is the error of requests that are left to the next reader.
func (in *Ingester) rereadsLeft() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(in.rereads)) {
		if t := in.rereads[id]; in.o.UntilEnd && t.tries >= rereadTriesUntilEnd {
			errs = append(errs, fmt.Errorf("%s was not read again in %d tries; its request %d stays, and the next process that reads the partition goes on with it: %w",
				t.req.Range, t.tries, t.req.ID, t.last))
		}
	}
	return errors.Join(errs...)
}

// doneReread lets the next request be tried; a failure puts this one off.
func (in *Ingester) doneReread(r catalog.Reread, failure error) {
	in.mu.Lock()
	in.rereading = false
	if failure != nil {
		t := in.rereads[r.ID]
		if t == nil {
			t = &rereadTry{req: r, pause: rereadPause / 2}
			in.rereads[r.ID] = t
		}
		t.tries, t.last = t.tries+1, failure
		t.pause = min(2*t.pause, rereadPauseMax)
		t.after = time.Now().Add(t.pause)
	}
	in.mu.Unlock()
	in.poke()
}

// reread tries one request. It ends early when the partition is given up: whoever reads it next finds the request.
func (in *Ingester) reread(ctx context.Context, p *partition, r catalog.Reread) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-p.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	x := &rereader{in: in, p: p, req: r}
	err := x.run(ctx)
	var conflict *catalog.ConflictError
	var stale *catalog.StaleEpochError
	var other *blob.ConflictError
	switch {
	case err == nil:
		err = in.finishReread(ctx, r, x.problems)
	case errors.Is(err, catalog.ErrNotFound), errors.As(err, &conflict): // asking again does not help
		err = in.finishReread(ctx, r, append(x.problems, err.Error()))
	case errors.As(err, &other) && ctx.Err() == nil: // an earlier try wrote other rows under this epoch: take the next
		in.reopen(p.tp, err.Error())
	case errors.As(err, &stale): // it may read nothing else that would hear of it
		if _, unknown := p.goesOn(ctx, err); unknown != nil {
			err = errors.Join(err, unknown)
		}
	}
	if ctx.Err() != nil {
		err = nil // given up, which is no failure of the request
	}
	defer func() { in.doneReread(r, err) }()
	if err == nil {
		return
	}
	in.met.retries.Inc()
	if noted := in.o.Catalog.NoteReread(ctx, r.ID, err.Error()); noted != nil {
		err = errors.Join(err, noted)
	}
	in.o.Logger.LogAttrs(ctx, slog.LevelWarn, "offsets not read again", slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)),
		slog.Int64("start_offset", r.Range.Start), slog.Int64("end_offset", r.Range.End), slog.Any("err", err))
}

// finishReread ends a request; problems say what stays as it was.
func (in *Ingester) finishReread(ctx context.Context, r catalog.Reread, problems []string) error {
	problem := strings.Join(problems, "; ")
	if err := in.o.Catalog.FinishReread(ctx, r.ID, problem); err != nil {
		return err
	}
	outcome, level := "done", slog.LevelInfo
	if problem != "" {
		outcome, level = "problem", slog.LevelWarn
	}
	in.met.rereads.WithLabelValues(outcome).Inc()
	in.o.Logger.LogAttrs(ctx, level, "re-read ended", slog.Int("partition", int(r.Range.Partition)),
		slog.Int64("start_offset", r.Range.Start), slog.Int64("end_offset", r.Range.End), slog.String("err", problem))
	return nil
}
