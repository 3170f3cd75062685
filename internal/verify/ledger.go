package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// partition is what the catalog says of one partition, all of one moment.
type partition struct {
	info    catalog.PartitionInfo
	entries []catalog.LedgerEntry
	counted catalog.TableStats // of entries
	broken  error              // the ledger cannot be read further
}

// maxReads bounds how often a partition is read again because it changed meanwhile.
const maxReads = 50

// ledger reads the ledger of all partitions. A partition that is committed to while it is read is read again: counters
// and rows of different moments would not agree.
func (t *tableRun) ledger(ctx context.Context) ([]partition, error) {
	infos, err := t.o.Catalog.Partitions(ctx, t.def.ID)
	if err != nil {
		return nil, err
	}
	parts := make([]partition, len(infos))
	for i, info := range infos {
		p := &parts[i]
		for try := 1; ; try++ {
			if *p, err = t.readPartition(ctx, info); err != nil {
				return nil, err
			}
			now, err := t.o.Catalog.Partitions(ctx, t.def.ID)
			if err != nil {
				return nil, err
			}
			after := now[slices.IndexFunc(now, func(n catalog.PartitionInfo) bool { return n.Partition == info.Partition })]
			if unchanged(info, after) {
				break
			}
			if try == maxReads {
				return nil, fmt.Errorf("partition %d was committed to %d times while its ledger was read: stop ingest and ask again",
					info.Partition, maxReads)
			}
			info = after
		}
	}
	return parts, nil
}

// unchanged reports whether no row was added or changed between two looks. The epoch changes with a replacement of rows
// that leaves all counters as they were.
func unchanged(a, b catalog.PartitionInfo) bool {
	return a.Stats == b.Stats && a.Start == b.Start && a.End == b.End && a.Generation == b.Generation && a.Epoch == b.Epoch
}

func (t *tableRun) readPartition(ctx context.Context, info catalog.PartitionInfo) (partition, error) {
	p := partition{info: info}
	for e, err := range t.o.Catalog.Ledger(ctx, catalog.LedgerQuery{TableID: t.def.ID, Partition: info.Partition}) {
		switch {
		case err == nil:
			p.entries = append(p.entries, e)
		case ctx.Err() != nil, errors.Is(err, catalog.ErrUnavailable):
			return p, err
		default:
			p.broken = err
		}
	}
	return p, nil
}

// checkPartition holds the rows against S1 to S4, the generations and the counters, and counts them.
func (t *tableRun) checkPartition(p *partition) {
	if p.broken != nil {
		t.add(Problem{Kind: LedgerUnreadable, Partition: p.info.Partition, Message: p.broken.Error()})
		return
	}
	if !p.info.Begun && len(p.entries) == 0 {
		return
	}
	for i, g := range p.info.Generations {
		if g.Generation != int32(i) || g.End < g.Start || g.Closed != (i < len(p.info.Generations)-1) {
			t.found(Generations, g.PartitionRange, "", "generation %d of %d is out of order", i, len(p.info.Generations))
		}
		for _, x := range segmenter.CheckLine(g.PartitionRange, rowsOf(p.entries, g.PartitionRange)) {
			t.found(Kind(x.Kind), x.Range, "", "%s", x.Detail)
		}
	}
	var highest int64
	events := false
	supplements := map[string]bool{}
	for i := range p.entries {
		e := &p.entries[i]
		t.checkFiles(e)
		p.countRow(e, supplements)
		if e.Events > 0 && (!events || e.MaxTimeUs > highest) {
			events, highest = true, e.MaxTimeUs
		}
	}
	t.checkCounters(p)
	if events && (!p.info.HasTime || p.info.MaxTimeUs < highest) {
		t.add(Problem{Kind: Counters, Partition: p.info.Partition, Message: fmt.Sprintf(
			"the highest event time committed is %d us in the ledger and %d us in the partition: the watermark could go back",
			highest, p.info.MaxTimeUs)})
	}
	t.count(func(out *TableReport) {
		out.Ranges += int64(len(p.entries))
		out.Generations += int64(len(p.info.Generations))
		out.Exceptions[string(segmenter.Gap)] += p.counted.Gaps
		out.Exceptions[string(segmenter.Quarantined)] += p.counted.Quarantined
		out.Skipped += p.counted.Skipped
		out.Lost += p.counted.Lost
	})
}

func rowsOf(entries []catalog.LedgerEntry, line segmenter.PartitionRange) []segmenter.LedgerRow {
	var rows []segmenter.LedgerRow
	for i := range entries {
		if entries[i].Range.SameLine(line) {
			rows = append(rows, entries[i].LedgerRow)
		}
	}
	return rows
}

// countRow adds a row to the counts of the partition, as the catalog counts: files of supplements once.
func (p *partition) countRow(e *catalog.LedgerEntry, supplements map[string]bool) {
	c := &p.counted
	c.Rows++
	c.Events += e.Events
	c.Gaps += e.Exceptions.Count(segmenter.Gap)
	c.Quarantined += e.Exceptions.Count(segmenter.Quarantined)
	switch e.State {
	case segmenter.Skipped:
		c.Skipped += e.Range.Len()
	case segmenter.Lost:
		c.Lost += e.Range.Len()
	}
	if e.File != nil {
		c.Files, c.Bytes = c.Files+1, c.Bytes+e.File.Size
	}
	for _, s := range e.Supplements {
		if !supplements[s.File.Key] {
			supplements[s.File.Key] = true
			c.Files, c.Bytes = c.Files+1, c.Bytes+s.File.Size
		}
	}
}

func (t *tableRun) checkCounters(p *partition) {
	got, want := p.info.Stats, p.counted
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"ledger rows", got.Rows, want.Rows},
		{"events", got.Events, want.Events},
		{"gaps", got.Gaps, want.Gaps},
		{"quarantined offsets", got.Quarantined, want.Quarantined},
		{"skipped offsets", got.Skipped, want.Skipped},
		{"lost offsets", got.Lost, want.Lost},
		{"files", got.Files, want.Files},
		{"bytes", got.Bytes, want.Bytes},
	} {
		if c.got != c.want {
			t.add(Problem{Kind: Counters, Partition: p.info.Partition, Message: fmt.Sprintf(
				"the partition counts %d %s, its ledger holds %d", c.got, c.name, c.want)})
		}
	}
}

// checkFiles holds the files that a row names against the row (S4).
func (t *tableRun) checkFiles(e *catalog.LedgerEntry) {
	staged := e.State == segmenter.Staged
	var before segmenter.Exceptions
	if staged {
		var err error
		if before, err = atCommit(e); err != nil {
			t.found(Kind(segmenter.BadException), e.Range, "", "its supplements do not fit its exceptions: %v", err)
			return
		}
	}
	quarantined := before.Count(segmenter.Quarantined)
	requeued := int64(0)
	for _, s := range e.Supplements {
		requeued += int64(len(s.Offsets))
	}
	for _, w := range []struct {
		name    string
		f       *catalog.File
		want    bool
		records int64 // -1: any
	}{
		{"staged", e.File, staged, e.Events - requeued},
		{"quarantine", e.Quarantine, quarantined > 0, quarantined},
		{"ledger", e.LedgerFile, !staged, -1},
	} {
		switch {
		case w.want && w.f == nil:
			t.found(FileUnnamed, e.Range, "", "a %s row must name a %s file", e.State, w.name)
		case !w.want && w.f != nil:
			t.found(FileUnnamed, e.Range, w.f.Key, "the row has no use for a %s file", w.name)
		case w.f != nil && w.records >= 0 && w.f.Records != w.records:
			t.found(FileUnnamed, e.Range, w.f.Key, "the catalog gives the %s file %d records, the row needs %d", w.name, w.f.Records, w.records)
		}
	}
}

// atCommit returns the exceptions of a row as they were when it was committed: those that are left and those that
// supplements have turned into events since.
func atCommit(e *catalog.LedgerEntry) (segmenter.Exceptions, error) {
	all := e.Exceptions
	for _, s := range e.Supplements {
		requeued, err := segmenter.ExceptionsOf(segmenter.Quarantined, s.Offsets)
		if err != nil {
			return nil, err
		}
		if all, err = all.Merge(requeued); err != nil {
			return nil, err
		}
	}
	return all, nil
}
