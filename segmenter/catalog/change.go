package catalog

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Replace puts other rows in the place of whole rows, over the same offsets (I3: a re-read of what is missing, skipped or
// lost). The old rows' files and supplements are named no more.
type Replace struct {
	TableID string
	Epoch   int64 // the owner's; 0: a person's, who takes the partition from its owner
	Old     segmenter.PartitionRange
	Rows    []Commit // ascending; their Epoch and Fingerprint are ignored
}

// Prepend adds rows that end at the first offset of a generation.
type Prepend struct {
	TableID string
	Epoch   int64    // as in Replace
	Rows    []Commit // as in Replace
}

// Skip appends one skipped or lost row at the committed end of the present generation.
type Skip struct {
	TableID string
	Epoch   int64 // as in Replace
	Row     Commit
}

// Replace returns the epoch that it has raised the partition to; an owner goes on under it. An old range that does not
// hold whole rows, or rows that do not tile it, are a *NotContiguousError.
func (c *Catalog) Replace(ctx context.Context, r Replace) (epoch int64, err error) {
	if err := checkRows(r.TableID, r.Rows); err != nil {
		return 0, fmt.Errorf("catalog: replace: %w", err)
	}
	if got := span(r.Rows); got != r.Old {
		return 0, fmt.Errorf("catalog: replace: %w", &NotContiguousError{TableID: r.TableID, Got: got, Want: r.Old})
	}
	return c.raise(ctx, claimed{"replace", r.TableID, r.Epoch, r.Rows}, func(t *tx, p *part) error {
		before, err := t.removeRows(p, r.Old)
		if err != nil {
			return err
		}
		if err := t.addRows(p, r.Rows); err != nil {
			return err
		}
		after := eventsOfRows(r.Rows)
		return t.noteChange(r.TableID, r.Old, effect{
			added: segmenter.Vector(after).Subtract(before), removed: segmenter.Vector(before).Subtract(after),
		})
	})
}

// Prepend returns the epoch that it has raised the partition to; an owner goes on under it.
func (c *Catalog) Prepend(ctx context.Context, r Prepend) (epoch int64, err error) {
	if err := checkRows(r.TableID, r.Rows); err != nil {
		return 0, fmt.Errorf("catalog: prepend: %w", err)
	}
	return c.raise(ctx, claimed{"prepend", r.TableID, r.Epoch, r.Rows}, func(t *tx, p *part) error {
		got := span(r.Rows)
		lines, err := t.lines(p.tableID, p.partition)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(lines, got.SameLine)
		if i < 0 {
			return fmt.Errorf("%s has no generation %d: %w", p, got.Generation, ErrNotFound)
		}
		if got.End != lines[i].Start {
			want := lines[i]
			want.End = want.Start
			return &NotContiguousError{TableID: p.tableID, Got: got, Want: want}
		}
		if got.Generation == p.Generation {
			p.Start = got.Start
		} else if _, err := t.exec(`UPDATE generations SET start_offset = $4 WHERE table_id = $1 AND partition = $2 AND generation = $3`,
			p.tableID, p.partition, got.Generation, got.Start); err != nil {
			return err
		}
		if err := t.addRows(p, r.Rows); err != nil {
			return err
		}
		return t.noteChange(r.TableID, got, effect{added: eventsOfRows(r.Rows), prepended: true})
	})
}

// Skip returns the epoch that it has raised the partition to; an owner goes on under it.
func (c *Catalog) Skip(ctx context.Context, r Skip) (epoch int64, err error) {
	rows := []Commit{r.Row}
	if err := checkRows(r.TableID, rows); err != nil {
		return 0, fmt.Errorf("catalog: skip: %w", err)
	}
	if r.Row.Row.State == segmenter.Staged {
		return 0, fmt.Errorf("catalog: skip: row %s is staged: want skipped or lost", r.Row.Row.Range)
	}
	return c.raise(ctx, claimed{"skip", r.TableID, r.Epoch, rows}, func(t *tx, p *part) error {
		r.Row.Epoch, r.Row.Fingerprint = p.Epoch, nil
		return t.append(p, r.Row)
	})
}

// claimed is a change of rows by the owner of an epoch, or by a person with epoch 0.
type claimed struct {
	what    string
	tableID string
	epoch   int64
	rows    []Commit
}

// raise runs a change of a partition under a raised epoch (I3). An owner that asks again after an unknown outcome, and
// nobody came between, gets the epoch of the first time (C3).
func (c *Catalog) raise(ctx context.Context, m claimed, change func(t *tx, p *part) error) (raised int64, err error) {
	err = c.write(ctx, fmt.Sprintf("%s table %s %s", m.what, m.tableID, span(m.rows)), func(t *tx) error {
		p, err := t.lockPartition(m.tableID, m.rows[0].Row.Range.Partition)
		if err != nil {
			return err
		}
		if m.epoch != 0 && p.Epoch == m.epoch+1 {
			done, err := t.allCommitted(m.rows, p.Epoch)
			if err != nil || done {
				raised = p.Epoch
				return err
			}
		}
		if m.epoch != 0 {
			if err := p.fence(m.epoch); err != nil {
				return err
			}
		}
		p.Epoch++
		raised = p.Epoch
		if err := change(t, p); err != nil {
			return err
		}
		if err := t.save(p); err != nil {
			return err
		}
		return t.bump() // an owner that reads nothing at present must hear of it
	})
	if err != nil {
		return 0, err
	}
	return raised, nil
}

func (t *tx) allCommitted(rows []Commit, epoch int64) (bool, error) {
	for _, m := range rows {
		done, err := t.committed(m, epoch)
		if err != nil || !done {
			return false, err
		}
	}
	return true, nil
}

func (t *tx) addRows(p *part, rows []Commit) error {
	for _, m := range rows {
		m.Epoch = p.Epoch
		if err := t.addRow(p, m); err != nil {
			return err
		}
	}
	return nil
}

// removeRows takes whole rows out of the ledger, with their files and their parts of supplements. It returns the offsets that were
// events.
func (t *tx) removeRows(p *part, old segmenter.PartitionRange) (events []segmenter.PartitionRange, err error) {
	at := old.Start
	for at < old.End {
		page, _, err := t.page(p.tableID, old, at, t.c.pageRows)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if at == old.End {
				break
			}
			if e.Range.Start != at || e.Range.End > old.End {
				return nil, &NotContiguousError{TableID: p.tableID, Got: old, Want: e.Range}
			}
			if err := t.removeRow(p, e); err != nil {
				return nil, err
			}
			events, at = append(events, eventsOf(e.LedgerRow)...), e.Range.End
		}
	}
	if at < old.End {
		l := old
		l.Start, l.End = at, at
		return nil, &NotContiguousError{TableID: p.tableID, Got: old, Want: l}
	}
	return united(events), nil
}

func (t *tx) removeRow(p *part, e LedgerEntry) error {
	r := e.Range
	line := []any{p.tableID, r.Partition, r.Generation, r.End}
	if _, err := t.exec(`DELETE FROM supplements WHERE table_id = $1 AND partition = $2 AND generation = $3 AND row_end = $4`,
		line...); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM ledger WHERE table_id = $1 AND partition = $2 AND generation = $3 AND end_offset = $4`,
		line...); err != nil {
		return err
	}
	p.stats.add(statsOf(Commit{Row: e.LedgerRow, File: e.File}), -1)
	for _, s := range e.Supplements { // another row may still need the file
		n, err := t.exec(`DELETE FROM files WHERE file_key = $1
			AND NOT EXISTS (SELECT 1 FROM supplements x WHERE x.file_key = files.file_key)`, s.File.Key)
		if err != nil {
			return err
		}
		p.stats.add(TableStats{Files: n, Bytes: n * s.File.Size}, -1)
	}
	for _, f := range []*File{e.File, e.Quarantine, e.LedgerFile} {
		if f == nil {
			continue
		}
		if _, err := t.exec(`DELETE FROM files WHERE file_key = $1`, f.Key); err != nil {
			return err
		}
	}
	return nil
}

// checkRows refuses rows that are not well-formed, ascending and contiguous on one line.
func checkRows(tableID string, rows []Commit) error {
	if len(rows) == 0 {
		return fmt.Errorf("no rows given for table %s", tableID)
	}
	for i := range rows {
		if err := rows[i].check(tableID); err != nil {
			return err
		}
		if i > 0 && !rows[i-1].Row.Range.Abuts(rows[i].Row.Range) {
			want := rows[i-1].Row.Range
			want.Start = want.End
			return &NotContiguousError{TableID: tableID, Got: rows[i].Row.Range, Want: want}
		}
	}
	return nil
}

// span is the range that contiguous rows tile.
func span(rows []Commit) segmenter.PartitionRange {
	r := rows[0].Row.Range
	r.End = rows[len(rows)-1].Row.Range.End
	return r
}
