package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// publisher commits sealed ranges in their order until ctx is done. A storage that does not answer is asked again with
// a growing pause; meanwhile the partition pauses at MaxUncommittedRanges and the process at its budget.
func (p *partition) publisher(ctx context.Context) {
	for {
		p.mu.Lock()
		var t *tailRange
		if len(p.sealed) > 0 {
			t = p.sealed[0]
		}
		p.mu.Unlock()
		if t == nil {
			select {
			case <-ctx.Done():
				return
			case <-p.publish:
			}
			continue
		}
		if !p.publishRange(ctx, t) {
			return
		}
	}
}

// publishRange tries until the range is committed (true), or the partition is lost or given up (false).
func (p *partition) publishRange(ctx context.Context, t *tailRange) bool {
	var files rangeFiles
	defer files.removeSpool()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := p.tryPublish(ctx, t, &files)
		var stale *catalog.StaleEpochError
		var apart *catalog.NotContiguousError
		switch {
		case err == nil:
			p.commitDone(t, files.spooled)
			return true
		case ctx.Err() != nil, errors.Is(err, catalog.ErrNotFound): // given up, or the table was dropped
			return false
		case errors.As(err, &stale), errors.As(err, &apart):
			again, failed := p.goesOn(ctx, err)
			if failed == nil && !again {
				return false
			}
			if err = failed; err == nil {
				continue
			}
		}
		p.in.met.retries.Inc()
		p.fail(Failing, err.Error())
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// rangeFiles are the files of one sealed range; each step is done once, however often a later one is tried.
type rangeFiles struct {
	spool      string
	file       *catalog.File
	quarantine *catalog.File
	ledger     *catalog.File
	uploaded   bool
	spooled    int64
	release    func(int64)
}

func (f *rangeFiles) removeSpool() {
	if f.spool != "" {
		_ = os.Remove(f.spool) // gone already where the store took the file over; a leftover is removed at the next start
	}
	if f.release != nil {
		f.release(f.spooled)
	}
}

func (p *partition) tryPublish(ctx context.Context, t *tailRange, f *rangeFiles) error {
	if err := acquire(ctx, p.claim); err != nil {
		return err
	}
	defer func() { <-p.claim }()
	p.mu.Lock()
	row := t.row(p.tp.partition, p.generation)
	epoch := p.epoch
	p.mu.Unlock()
	if t.lost != nil {
		if err := p.writeLedgerFile(ctx, t, f); err != nil {
			return err
		}
	} else {
		if err := p.spool(ctx, t, row, epoch, f); err != nil {
			return err
		}
		if err := p.upload(ctx, t, row, epoch, f); err != nil {
			return err
		}
	}
	start := time.Now()
	err := p.in.o.Catalog.Commit(ctx, catalog.Commit{
		TableID: t.table.def.ID, Epoch: epoch, Row: row,
		File: f.file, Quarantine: f.quarantine, LedgerFile: f.ledger, Fingerprint: t.fingerprint,
	})
	if err != nil {
		return fmt.Errorf("commit %s of table %s: %w", row.Range, t.table.def.Name, err)
	}
	p.in.met.commitSeconds.Observe(time.Since(start).Seconds())
	return nil
}

// spool encodes the range to a local file.
func (p *partition) spool(ctx context.Context, t *tailRange, row segmenter.LedgerRow, epoch int64, f *rangeFiles) error {
	if f.file != nil {
		return nil
	}
	if err := acquire(ctx, p.in.encodeSlots); err != nil {
		return err
	}
	defer func() { <-p.in.encodeSlots }()
	if err := p.in.spoolRoom(ctx); err != nil {
		return err
	}
	start := time.Now()
	def := t.table.def
	file, err := os.CreateTemp(p.in.o.SpoolDir, "range-*.spool")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	f.spool = file.Name()
	if err := file.Chmod(0o644); err != nil { // a local store takes the file as it is, for others to read
		return errors.Join(fmt.Errorf("spool: %w", err), file.Close())
	}
	enc, err := stage.Encode(file, t.schema, def.Staging.Format, p.footer(t, row, epoch), t.chunks, stage.EncodeOptions{Buffers: p.in.buffers})
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(f.spool)
		f.spool = ""
		return fmt.Errorf("spool %s to %s: %w", row.Range, filepath.Dir(file.Name()), err)
	}
	f.spooled, f.release = enc.Size, p.in.spoolRelease
	p.in.spoolTake(enc.Size)
	f.file = &catalog.File{
		Key:  stage.StagedKey(def.ID, row.Range, epoch, def.Version, def.Staging.Format),
		Size: enc.Size, SHA256: enc.SHA256, Format: def.Staging.Format, Schema: def.Version, Records: row.Events, RowHash: enc.RowHash.String(),
	}
	p.in.met.encodeSeconds.Observe(time.Since(start).Seconds())
	return nil
}

func (p *partition) footer(t *tailRange, row segmenter.LedgerRow, epoch int64) stage.Footer {
	def := t.table.def
	return stage.Footer{
		Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Schema: def.Version,
		Range: row.Range, Epoch: epoch, Events: row.Events, Exceptions: row.Exceptions, MinTimeUs: row.MinTimeUs, MaxTimeUs: row.MaxTimeUs,
	}
}

// upload brings the spooled file and the unreadable records to the store.
func (p *partition) upload(ctx context.Context, t *tailRange, row segmenter.LedgerRow, epoch int64, f *rangeFiles) error {
	if f.uploaded {
		return nil
	}
	if err := acquire(ctx, p.in.uploadSlots); err != nil {
		return err
	}
	defer func() { <-p.in.uploadSlots }()
	start := time.Now()
	if len(t.bad) > 0 && f.quarantine == nil {
		var buf bytes.Buffer
		def := t.table.def
		enc, err := stage.EncodeQuarantine(&buf, p.quarantineFooter(t, row, epoch), t.bad)
		if err != nil {
			return fmt.Errorf("encode quarantine of %s: %w", row.Range, err)
		}
		key := stage.QuarantineKey(def.ID, row.Range, epoch)
		if err := blob.CreateSame(ctx, p.in.o.Store, key, bytes.NewReader(buf.Bytes())); err != nil {
			return err
		}
		f.quarantine = &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: cube.NDJSON, Schema: def.Version, Records: int64(len(t.bad))}
	}
	if err := blob.CreateSameFile(ctx, p.in.o.Store, f.file.Key, f.spool); err != nil {
		return err
	}
	f.uploaded = true
	p.in.met.uploadSeconds.Observe(time.Since(start).Seconds())
	return nil
}

func (p *partition) quarantineFooter(t *tailRange, row segmenter.LedgerRow, epoch int64) stage.QuarantineFooter {
	def := t.table.def
	return stage.QuarantineFooter{Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Schema: def.Version, Range: row.Range, Epoch: epoch, Records: int64(len(t.bad))}
}

// writeLedgerFile records a lost or skipped range in the store, so that the files alone tell the whole story.
func (p *partition) writeLedgerFile(ctx context.Context, t *tailRange, f *rangeFiles) error {
	if f.ledger != nil {
		return nil
	}
	def := t.table.def
	// No epoch in it: its name holds none, so that whoever finds the same loss after a crash writes the same bytes.
	body, err := stage.LedgerRecord{Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Row: *t.lost}.Encode()
	if err != nil {
		return err
	}
	key := stage.LedgerKey(def.ID, t.lost.Range, t.lost.State)
	if err := blob.CreateSame(ctx, p.in.o.Store, key, bytes.NewReader(body)); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	f.ledger = &catalog.File{Key: key, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Schema: def.Version}
	return nil
}

// commitDone takes the range out of the tail; memory goes back unless a reader still holds it.
func (p *partition) commitDone(t *tailRange, fileBytes int64) {
	p.mu.Lock()
	p.sealed = slices.Delete(p.sealed, 0, 1)
	p.committed = t.end
	t.committed = true
	if p.state != Stopped {
		p.state, p.reason = Reading, ""
	}
	if t.pins > 0 {
		p.pinned = append(p.pinned, t)
	} else {
		p.in.budget.add(-t.bytes)
	}
	if len(p.sealed) < p.in.o.MaxUncommittedRanges {
		if p.rollWanted != "" {
			p.sealLocked(p.rollWanted)
		}
		if len(p.sealed) < p.in.o.MaxUncommittedRanges && p.state != Stopped {
			p.resumeLocked()
		}
	}
	p.mu.Unlock()
	p.in.met.committed(t, fileBytes)
	p.in.o.Logger.LogAttrs(context.Background(), slog.LevelDebug, "range committed",
		slog.String("topic", p.tp.topic), slog.Int("partition", int(p.tp.partition)),
		slog.Int64("start_offset", t.start), slog.Int64("end_offset", t.end))
	wake(p.progress)
	p.in.poke()
}

func acquire(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
