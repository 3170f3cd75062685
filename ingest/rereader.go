package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// rereader reads the offsets of one request again, with a client of its own, beside the partition that goes on reading.
// What it stages is committed by one transaction for each run of rows, which raises the partition's epoch (I3); its files
// carry the raised epoch already. Nothing is kept between two tries: what is staged by now is left alone.
type rereader struct {
	in  *Ingester
	p   *partition
	req catalog.Reread

	a        *admin
	table    *table
	topicID  string
	logStart int64    // the first offset that Kafka still has
	problems []string // what stays as it was, and why
}

// oldRow is a row that may be read again.
type oldRow struct {
	segmenter.LedgerRow
	file *catalog.File
}

// run serves the request as far as Kafka has it. An error may pass: try again.
func (x *rereader) run(ctx context.Context) (err error) {
	if x.a, err = newAdmin(x.in.o.Kafka); err != nil {
		return err
	}
	defer x.a.close()
	x.a.bytes = min(x.in.o.FetchBytes, 1<<20)
	x.p.mu.Lock()
	x.table = x.p.table
	x.p.mu.Unlock()
	line, ok, err := x.look(ctx)
	if err != nil || !ok {
		return err
	}
	inside, before := x.req.Range, x.req.Range
	inside.Start, inside.End = max(inside.Start, line.Start), min(inside.End, line.End)
	before.End = min(before.End, line.Start)
	if x.req.Range.End > line.End {
		x.problem("offsets from %d on are not committed yet: they are read in their turn", max(line.End, x.req.Range.Start))
	}
	if inside.Start < inside.End {
		if err := x.replace(ctx, inside); err != nil {
			return err
		}
	}
	if before.Start < before.End {
		return x.prepend(ctx, before, line.Start)
	}
	return nil
}

func (x *rereader) problem(format string, args ...any) {
	x.problems = append(x.problems, fmt.Sprintf(format, args...))
}

// look finds the committed range of the request's generation, and where the log begins. It is not ok where Kafka has
// nothing of that generation.
func (x *rereader) look(ctx context.Context) (line segmenter.PartitionRange, ok bool, err error) {
	info, err := x.in.partitionInfo(ctx, x.table.def.ID, x.p.tp.partition)
	if err != nil {
		return line, false, err
	}
	if g := x.req.Range.Generation; g != info.Generation || !info.Begun {
		for _, old := range info.Generations {
			if old.Generation == g {
				x.problem("generation %d is closed (%s): Kafka has its records no more", g, old.ClosedReason)
				return line, false, nil
			}
		}
		x.problem("partition %d has no generation %d: it is at %d", info.Partition, g, info.Generation)
		return line, false, nil
	}
	topic, err := x.a.topic(ctx, x.p.tp.topic)
	if err != nil {
		return line, false, err
	}
	if err := topic.unknown[x.p.tp.partition]; err != nil {
		return line, false, err
	}
	why, err := x.in.otherLog(ctx, x.p, info.PartitionState, topic)
	if err == nil && why != "" {
		err = errors.New("the log is another one: " + why) // reading finds it, too, and begins a generation
	}
	if err != nil {
		return line, false, err
	}
	x.topicID, x.logStart = topic.id, topic.start[x.p.tp.partition]
	line = x.req.Range
	line.Start, line.End = info.Start, info.End
	return line, true, nil
}

// replace reads the rows of a range again that hold no events: skipped and lost ones, and those whose file is gone.
// Neighbours become one transaction, up to RereadOffsets: what failed later need not do it again.
func (x *rereader) replace(ctx context.Context, inside segmenter.PartitionRange) error {
	rows, err := x.rows(ctx, inside)
	if err != nil {
		return err
	}
	var run []oldRow
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		err := x.replaceRun(ctx, run)
		run = nil
		return err
	}
	for _, r := range rows {
		wanted, err := x.wants(ctx, r, inside)
		if err != nil {
			return err
		}
		if wanted {
			run = append(run, r)
			if r.Range.End-run[0].Range.Start < x.in.o.RereadOffsets {
				continue
			}
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return flush()
}

func (x *rereader) rows(ctx context.Context, inside segmenter.PartitionRange) (rows []oldRow, err error) {
	for e, err := range x.in.o.Catalog.Inputs(ctx, x.table.def.ID, segmenter.Vector{inside}) {
		if err != nil {
			return nil, err
		}
		row := segmenter.LedgerRow{Range: e.Range, State: e.State, Reason: e.Reason}
		rows = append(rows, oldRow{row, e.File})
	}
	return rows, nil
}

// wants reports whether a row is to be read again, at least in part. It notes what cannot be.
func (x *rereader) wants(ctx context.Context, r oldRow, inside segmenter.PartitionRange) (bool, error) {
	what := string(r.State)
	if r.State == segmenter.Staged {
		_, err := blob.Stat(ctx, x.in.o.Store, r.file.Key)
		if err == nil || !errors.Is(err, blob.ErrNotFound) {
			return false, err
		}
		what = "without its file " + r.file.Key
	}
	switch {
	case r.Range.Start < inside.Start || r.Range.End > inside.End:
		x.problem("row %s is %s and only partly asked for: ask for all of it", r.Range, what)
	case r.Range.End <= x.logStart && r.State != segmenter.Staged:
		x.problem("row %s stays %s: gone from the log, which starts at %d", r.Range, what, x.logStart)
	case r.Range.Start < x.logStart && r.State == segmenter.Staged:
		x.problem("row %s stays %s: gone from the log, which starts at %d; put the file back, or declare it lost: tidemark table lost %s --partition %d --start %d --end %d",
			r.Range, what, x.logStart, x.table.def.Name, r.Range.Partition, r.Range.Start, r.Range.End)
	default:
		return true, nil
	}
	return false, nil
}

// replaceRun puts staged rows in the place of neighbouring rows. Of the first one Kafka may have the end alone: its
// beginning stays what it was, as a row of its own.
func (x *rereader) replaceRun(ctx context.Context, run []oldRow) error {
	old := run[0].Range
	old.End = run[len(run)-1].Range.End
	epoch := x.epoch()
	var rows []catalog.Commit
	start := old.Start
	if start < x.logStart {
		start = x.logStart
		kept, err := x.keep(ctx, run[0].LedgerRow, start)
		if err != nil {
			return err
		}
		rows = append(rows, kept)
	}
	staged, err := x.stage(ctx, segmenter.PartitionRange{Partition: old.Partition, Generation: old.Generation, Start: start, End: old.End}, epoch+1)
	if err != nil {
		return err
	}
	rows = append(rows, staged...)
	if err := x.commit(ctx, epoch, func() (int64, error) {
		return x.in.o.Catalog.Replace(ctx, catalog.Replace{TableID: x.table.def.ID, Epoch: epoch, Old: old, Rows: rows})
	}); err != nil {
		return err
	}
	x.in.met.reread.Add(float64(old.End - start))
	return nil
}

// keep makes the row of that part of a skipped or lost one which Kafka has no more.
func (x *rereader) keep(ctx context.Context, row segmenter.LedgerRow, end int64) (catalog.Commit, error) {
	row.Range.End = end
	x.problem("%s stays %s: gone from the log, which starts at %d", row.Range, row.State, x.logStart)
	var files rangeFiles
	if err := x.p.writeLedgerFile(ctx, &tailRange{table: x.table, lost: &row}, &files); err != nil {
		return catalog.Commit{}, err
	}
	return catalog.Commit{TableID: x.table.def.ID, Row: row, LedgerFile: files.ledger}, nil
}

// prepend reads what lies before a partition's first offset.
func (x *rereader) prepend(ctx context.Context, before segmenter.PartitionRange, first int64) error {
	if before.End < first {
		x.problem("%s ends before the first offset %d that was read: ask for all up to there", before, first)
		return nil
	}
	if before.Start < x.logStart {
		gone := before
		gone.End = min(x.logStart, before.End)
		x.problem("%s cannot be read: gone from the log, which starts at %d; if it is a hole, declare it lost: tidemark table lost %s --partition %d --start %d --end %d",
			gone, x.logStart, x.table.def.Name, gone.Partition, gone.Start, gone.End)
		before.Start = gone.End
	}
	for !before.Empty() { // from its end, as each piece must meet the first row
		piece := before
		piece.Start = max(before.Start, before.End-x.in.o.RereadOffsets)
		if err := x.prependPiece(ctx, piece); err != nil {
			return err
		}
		before.End = piece.Start
	}
	return nil
}

func (x *rereader) prependPiece(ctx context.Context, before segmenter.PartitionRange) error {
	epoch := x.epoch()
	rows, err := x.stage(ctx, before, epoch+1)
	if err != nil {
		return err
	}
	if err := x.commit(ctx, epoch, func() (int64, error) {
		return x.in.o.Catalog.Prepend(ctx, catalog.Prepend{TableID: x.table.def.ID, Epoch: epoch, Rows: rows})
	}); err != nil {
		return err
	}
	x.p.mu.Lock()
	x.p.first = before.Start
	x.p.mu.Unlock()
	x.in.met.reread.Add(float64(before.Len()))
	return nil
}

func (x *rereader) epoch() int64 {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	return x.p.epoch
}

// commitTries is how often a change is asked for whose outcome is unknown; the catalog answers the second time what it
// did the first time.
const commitTries = 5

// commit changes the catalog's rows and has the partition go on under the raised epoch. No commit of the partition is
// under way meanwhile.
func (x *rereader) commit(ctx context.Context, epoch int64, change func() (int64, error)) error {
	if err := acquire(ctx, x.p.claim); err != nil {
		return err
	}
	defer func() { <-x.p.claim }()
	if now := x.epoch(); now != epoch {
		return fmt.Errorf("the partition went from epoch %d to %d meanwhile", epoch, now)
	}
	for try := 1; ; try++ {
		raised, err := change()
		if err == nil {
			x.p.mu.Lock()
			x.p.epoch = raised
			x.p.mu.Unlock()
			return nil
		}
		if try == commitTries || !errors.Is(err, catalog.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		}
	}
}
