package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// inputs is what a build reads: ledger rows that tile its range, and what is in them.
type inputs struct {
	rows  []catalog.LedgerEntry // those of one line follow each other
	files []segmenter.Input     // ascending by key
	parts []segmenter.PartMeasure
}

// readInputs reads the ledger over v, checks that it names every offset and that every file is there (B3), and measures
// times and counts of each line.
func (b *Builder) readInputs(ctx context.Context, tableID string, v segmenter.Vector, progress func(done, total int64)) (in inputs, err error) {
	if in, err = b.readRows(ctx, tableID, v, progress); err != nil {
		return in, err
	}
	in.parts, err = b.measure(ctx, v, in.rows)
	return in, err
}

// readRows is readInputs without the measures.
func (b *Builder) readRows(ctx context.Context, tableID string, v segmenter.Vector, progress func(done, total int64)) (in inputs, err error) {
	for e, err := range b.o.Catalog.Inputs(ctx, tableID, v) {
		if err != nil {
			return in, err
		}
		in.rows = append(in.rows, e)
	}
	if err := tiles(v, in.rows); err != nil {
		return in, &FinalError{err}
	}
	in.files = inputFiles(in.rows)
	return in, b.checkFiles(ctx, in.files, progress)
}

// tiles wants rows to hold every offset of v, line by line. Rows of a line may reach out of it at both ends.
func tiles(v segmenter.Vector, rows []catalog.LedgerEntry) error {
	for _, r := range v {
		at := r.Start
		for _, e := range rows {
			if !e.Range.Overlaps(r) {
				continue
			}
			if e.Range.Start > at || (e.Range.Start < at && at != r.Start) {
				return fmt.Errorf("ledger of %s: the row %s does not go on at offset %d: run tidemark verify", r, e.Range, at)
			}
			at = e.Range.End
		}
		if at < r.End {
			return fmt.Errorf("ledger of %s: nothing is known of offsets from %d on", r, at)
		}
	}
	return nil
}

// inputFiles lists the files of rows, each once.
func inputFiles(rows []catalog.LedgerEntry) (list []segmenter.Input) {
	add := func(kind segmenter.InputKind, f *catalog.File) {
		if f != nil {
			list = append(list, segmenter.Input{Kind: kind, Key: f.Key, Size: f.Size, SHA256: f.SHA256, Records: f.Records})
		}
	}
	for _, e := range rows {
		add(segmenter.InputStaged, e.File)
		add(segmenter.InputLedger, e.LedgerFile)
		for _, s := range e.Supplements {
			add(segmenter.InputSupplement, s.File)
		}
	}
	return sortInputs(list)
}

func sortInputs(list []segmenter.Input) []segmenter.Input {
	slices.SortFunc(list, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
	return slices.CompactFunc(list, func(a, b segmenter.Input) bool { return a.Key == b.Key })
}

// checkFiles looks every file up. Their bytes are read by engines and by verify, not here.
func (b *Builder) checkFiles(ctx context.Context, files []segmenter.Input, progress func(done, total int64)) error {
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(b.o.MaxReaders)
	for i, f := range files {
		if group.Err() != nil {
			break
		}
		progress(int64(i), int64(len(files)))
		g.Go(func() error {
			o, err := blob.Stat(group, b.o.Store, f.Key)
			switch {
			case errors.Is(err, blob.ErrNotFound):
				return &FinalError{fmt.Errorf("%s file %s is gone from the store: read its offsets again (segment holes --fill), or put it back", f.Kind, f.Key)}
			case err != nil:
				return fmt.Errorf("look up %s: %w", f.Key, err)
			case o.Size != f.Size:
				return &FinalError{fmt.Errorf("%s file %s has %d bytes, %d were committed: run tidemark verify", f.Kind, f.Key, o.Size, f.Size)}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	progress(int64(len(files)), int64(len(files)))
	return ctx.Err()
}

// measure counts and times each line of v. Only rows that lie in it in part are read, and of these only event times.
func (b *Builder) measure(ctx context.Context, v segmenter.Vector, rows []catalog.LedgerEntry) ([]segmenter.PartMeasure, error) {
	parts := make([]segmenter.PartMeasure, len(v))
	for i, r := range v {
		parts[i].Partition, parts[i].Generation = r.Partition, r.Generation
		for _, e := range rows {
			if !e.Range.Overlaps(r) {
				continue
			}
			m := segmenter.MeasureRow(e.LedgerRow, r)
			if partial := e.Range.Start < r.Start || e.Range.End > r.End; partial && m.Events > 0 {
				var err error
				if m.MinTimeUs, m.MaxTimeUs, err = b.timesWithin(ctx, e, r, m.Events); err != nil {
					return nil, err
				}
			}
			parts[i].Measure = parts[i].Add(m)
		}
	}
	return parts, nil
}

// timesWithin reads the event times of a row's events that lie in r, which are want many.
func (b *Builder) timesWithin(ctx context.Context, e catalog.LedgerEntry, r segmenter.PartitionRange, want int64) (minUs, maxUs int64, err error) {
	span := timeSpan{}
	if err := span.read(ctx, b.o.Store, e.File, func(off int64) bool { return r.Contains(off) }); err != nil {
		return 0, 0, err
	}
	for _, s := range e.Supplements {
		keep := func(off int64) bool {
			_, mine := slices.BinarySearch(s.Offsets, off)
			return mine && r.Contains(off)
		}
		if err := span.read(ctx, b.o.Store, s.File, keep); err != nil {
			return 0, 0, err
		}
	}
	if span.Events != want {
		return 0, 0, &FinalError{fmt.Errorf("ledger row %s has %d events in %s, its files have %d: run tidemark verify", e.Range, want, r, span.Events)}
	}
	return span.MinTimeUs, span.MaxTimeUs, nil
}

// timeSpan gathers event times.
type timeSpan struct{ segmenter.Measure }

func (s *timeSpan) read(ctx context.Context, st blob.Store, f *catalog.File, keep func(offset int64) bool) error {
	rd, err := stage.Open(ctx, st, f.Key, f.Size)
	if err != nil {
		return finalFormat(err)
	}
	defer rd.Close() // frees memory only, its error says nothing
	column := rd.Schema().EventTime
	for i, g := range rd.Groups() {
		if !keep(g.FirstOffset) && !keep(g.LastOffset) && !keepAny(g, keep) {
			continue
		}
		c, err := rd.Read(ctx, i, []int{column})
		if err != nil {
			return finalFormat(err)
		}
		for j, off := range c.Offsets {
			if keep(off) {
				us := c.Columns[column].Int(j)
				s.Measure = s.Add(segmenter.Measure{Events: 1, MinTimeUs: us, MaxTimeUs: us})
			}
		}
	}
	return nil
}

// keepAny reports whether an offset strictly inside a group is kept.
func keepAny(g stage.Group, keep func(offset int64) bool) bool {
	for off := g.FirstOffset + 1; off < g.LastOffset; off++ {
		if keep(off) {
			return true
		}
	}
	return false
}

// finalFormat makes damage in a file an error that is not tried again.
func finalFormat(err error) error {
	var format *stage.FormatError
	if errors.As(err, &format) || errors.Is(err, blob.ErrNotFound) {
		return &FinalError{err}
	}
	return err
}
