package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// LossOptions say what a person declares lost.
type LossOptions struct {
	Catalog *catalog.Catalog
	Store   blob.Store
	Table   *cube.Table
	Range   segmenter.PartitionRange // whole rows whose files are gone, or offsets that end at the first one of the line
	Reason  string                   // for those who look
}

// DeclareLost puts a lost row in the place of staged ones whose files are gone from the store, or before the first offset of
// a line. A row that has its file, or no events anyway, is refused with a *catalog.ConflictError. The partition's owner goes
// on under a raised epoch (N7).
func DeclareLost(ctx context.Context, o LossOptions) (segmenter.LedgerRow, error) {
	row := segmenter.LedgerRow{Range: o.Range, State: segmenter.Lost, Reason: o.Reason}
	if err := o.Range.Validate(); err != nil || o.Range.Empty() {
		return row, o.refuse("want a range that holds offsets")
	}
	info, line, err := o.line(ctx)
	if err != nil {
		return row, err
	}
	before := o.Range.End == line.Start
	if !before && o.Range.Start < line.Start {
		return row, o.refuse("what lies before the first offset %d that was read ends there, and nothing behind it belongs to it", line.Start)
	}
	if !before {
		if err := o.allGone(ctx); err != nil {
			return row, err
		}
	}
	file, err := o.record(ctx, &row)
	if err != nil {
		return row, err
	}
	// The epoch as it was before the look: whoever changed the rows since has raised it.
	rows := []catalog.Commit{{TableID: o.Table.ID, Row: row, LedgerFile: file}}
	if before {
		_, err = o.Catalog.Prepend(ctx, catalog.Prepend{TableID: o.Table.ID, Epoch: info.Epoch, Rows: rows})
	} else {
		_, err = o.Catalog.Replace(ctx, catalog.Replace{TableID: o.Table.ID, Epoch: info.Epoch, Old: o.Range, Rows: rows})
	}
	var stale *catalog.StaleEpochError
	if errors.As(err, &stale) {
		return row, o.refuse("the partition was claimed, or its rows were changed, meanwhile: look again, then repeat it")
	}
	return row, err
}

func (o LossOptions) refuse(format string, args ...any) error {
	return &catalog.ConflictError{What: fmt.Sprintf("%s of table %s", o.Range, o.Table.Name), Reason: fmt.Sprintf(format, args...)}
}

// line finds the generation of the range.
func (o LossOptions) line(ctx context.Context) (info catalog.PartitionInfo, line segmenter.PartitionRange, err error) {
	list, err := o.Catalog.Partitions(ctx, o.Table.ID)
	if err != nil {
		return info, line, err
	}
	for _, i := range list {
		for _, g := range i.Generations {
			if g.SameLine(o.Range) {
				return i, g.PartitionRange, nil
			}
		}
	}
	return info, line, o.refuse("nothing was ever read of generation %d of partition %d", o.Range.Generation, o.Range.Partition)
}

// allGone wants the range to hold whole rows, each staged and without its file.
func (o LossOptions) allGone(ctx context.Context) error {
	at := o.Range.Start
	var rows []catalog.LedgerEntry
	for e, err := range o.Catalog.Inputs(ctx, o.Table.ID, segmenter.Vector{o.Range}) {
		if err != nil {
			return err
		}
		rows = append(rows, e)
	}
	for _, e := range rows {
		switch {
		case e.Range.Start != at && at == o.Range.Start, e.Range.End > o.Range.End:
			return o.refuse("it holds only part of row %s: give whole rows, as tidemark table offsets %s --ranges lists them", e.Range, o.Table.Name)
		case e.Range.Start != at:
			return o.refuse("the ledger has no row at offset %d", at)
		case e.State != segmenter.Staged:
			return o.refuse("row %s is %s already: leave it out", e.Range, e.State)
		}
		_, err := blob.Stat(ctx, o.Store, e.File.Key)
		if err == nil {
			return o.refuse("row %s has its file %s: its events are not lost", e.Range, e.File.Key)
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		at = e.Range.End
	}
	if at < o.Range.End {
		return o.refuse("offsets from %d on are not committed: they are read in their turn", at)
	}
	return nil
}

// record writes the row's file. Where an earlier try has left it with another reason, that one stands.
func (o LossOptions) record(ctx context.Context, row *segmenter.LedgerRow) (*catalog.File, error) {
	def := o.Table
	body, err := stage.LedgerRecord{Project: def.Project, Table: def.Name, TableID: def.ID, Topic: def.Topic, Row: *row}.Encode()
	if err != nil {
		return nil, err
	}
	key := stage.LedgerKey(def.ID, row.Range, row.State)
	err = blob.CreateSame(ctx, o.Store, key, bytes.NewReader(body))
	var other *blob.ConflictError
	if errors.As(err, &other) {
		old, err := stage.ReadLedger(ctx, o.Store, key)
		if err != nil {
			return nil, err
		}
		if old.Row.Reason == row.Reason {
			return nil, fmt.Errorf("%s: %w", key, other)
		}
		row.Reason = old.Row.Reason
		return o.record(ctx, row)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return &catalog.File{Key: key, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Schema: def.Version}, nil
}
