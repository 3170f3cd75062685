package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Supplement is a file of events that were quarantined first (design section 7). It may reach over several ledger rows.
type Supplement struct {
	TableID   string
	Requeue   int64                    // a number from NextRequeue
	Range     segmenter.PartitionRange // of the file
	File      *File
	Offsets   []int64 // ascending; in a LedgerEntry those in its row: others of the file count in other rows, or no more
	MinTimeUs int64   // event times of the whole file, closed
	MaxTimeUs int64
}

// NextRequeue hands out a number for the files of one requeue of a table. Numbers ascend and are never given twice.
func (c *Catalog) NextRequeue(ctx context.Context, tableID string) (n int64, err error) {
	err = c.write(ctx, "next requeue of table "+tableID, func(t *tx) error {
		err := t.row(`UPDATE tables SET next_requeue = next_requeue + 1 WHERE id = $1 AND dropped_us = 0
			RETURNING next_requeue - 1`, tableID).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
		}
		return err
	})
	return n, err
}

// CommitSupplement turns quarantined offsets into events. It is refused with a *segmenter.NotExceptionError, and nothing is
// changed, if any of them is no longer quarantined. The same supplement again is a success (C3).
func (c *Catalog) CommitSupplement(ctx context.Context, s Supplement) error {
	runs, err := s.check()
	if err != nil {
		return fmt.Errorf("catalog: commit supplement %s: %w", s.Range, err)
	}
	return c.write(ctx, fmt.Sprintf("commit supplement table %s %s", s.TableID, s.Range), func(t *tx) error {
		p, err := t.lockPartition(s.TableID, s.Range.Partition)
		if err != nil {
			return err
		}
		var found int
		err = t.row(`SELECT COUNT(*) FROM supplements WHERE file_key = $1 AND table_id = $2 AND requeue = $3`,
			s.File.Key, s.TableID, s.Requeue).Scan(&found)
		if err != nil || found > 0 {
			return err // C3
		}
		if err := t.supplement(p, s, runs); err != nil {
			return err
		}
		return t.save(p)
	})
}

// supplement adds s and counts it in p, which the caller saves.
func (t *tx) supplement(p *part, s Supplement, runs segmenter.Exceptions) error {
	if err := t.addFile(s.TableID, s.File); err != nil {
		return err
	}
	if err := t.requeue(s, runs); err != nil {
		return err
	}
	n := int64(len(s.Offsets))
	p.stats.add(TableStats{Events: n, Quarantined: -n, Files: 1, Bytes: s.File.Size}, 1)
	p.sawTimes(n, s.MaxTimeUs)
	return nil
}

// requeue moves the offsets in every row that holds some of them. Rows without any are skipped, not read.
func (t *tx) requeue(s Supplement, runs segmenter.Exceptions) error {
	l := s.Range
	for len(runs) > 0 {
		page, _, err := t.page(s.TableID, l, runs[0].Start, 1)
		if err != nil {
			return err
		}
		if len(page) == 0 || !page[0].Range.Contains(runs[0].Start) {
			return &segmenter.NotExceptionError{Kind: segmenter.Quarantined, Offset: runs[0].Start, Is: "not in the ledger"}
		}
		e := page[0]
		here := runs.Clip(e.Range.Start, e.Range.End)
		if err := t.requeueRow(s, e, here); err != nil {
			return err
		}
		runs = runs.Clip(e.Range.End, runs[len(runs)-1].End)
	}
	return nil
}

func (t *tx) requeueRow(s Supplement, e LedgerEntry, here segmenter.Exceptions) error {
	row, err := e.Requeue(here.Offsets(segmenter.Quarantined), s.MinTimeUs, s.MaxTimeUs)
	if err != nil {
		return err
	}
	left, err := encodeExceptions(row.Exceptions)
	if err != nil {
		return err
	}
	r := row.Range
	if _, err := t.exec(`UPDATE ledger SET events = $5, exceptions = $6, min_time_us = $7, max_time_us = $8, time_step = $9
		WHERE table_id = $1 AND partition = $2 AND generation = $3 AND end_offset = $4`,
		s.TableID, r.Partition, r.Generation, r.End, row.Events, left, row.MinTimeUs, row.MaxTimeUs, timeStep(row.MinTimeUs, row.MaxTimeUs)); err != nil {
		return err
	}
	offsets, err := encodeExceptions(here)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO supplements (table_id, partition, generation, row_end, file_key, requeue, start_offset, end_offset,
		offsets, min_time_us, max_time_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		s.TableID, r.Partition, r.Generation, r.End, s.File.Key, s.Requeue, s.Range.Start, s.Range.End,
		offsets, s.MinTimeUs, s.MaxTimeUs)
	if err != nil {
		return err
	}
	var done effect
	for _, x := range here {
		r.Start, r.End = x.Start, x.End
		done.added = append(done.added, r)
	}
	r.Start = here[0].Start
	return t.noteChange(s.TableID, r, done)
}

// check returns the offsets as a run-length list.
func (s *Supplement) check() (segmenter.Exceptions, error) {
	n := len(s.Offsets)
	switch {
	case n == 0:
		return nil, errors.New("it has no offsets")
	case s.Requeue < 1:
		return nil, fmt.Errorf("requeue %d: want a number from NextRequeue", s.Requeue)
	case s.File == nil || s.File.Key == "":
		return nil, errors.New("its file is missing")
	case s.File.Records != int64(n):
		return nil, fmt.Errorf("file %s has %d records for %d offsets (S4)", s.File.Key, s.File.Records, n)
	case s.MinTimeUs > s.MaxTimeUs:
		return nil, fmt.Errorf("lowest event time %d us is above the highest, %d us", s.MinTimeUs, s.MaxTimeUs)
	}
	if err := s.Range.Validate(); err != nil {
		return nil, err
	}
	runs, err := segmenter.ExceptionsOf(segmenter.Quarantined, s.Offsets)
	if err == nil && (s.Offsets[0] < s.Range.Start || s.Offsets[n-1] >= s.Range.End) {
		err = fmt.Errorf("offsets %d to %d are not all in its range", s.Offsets[0], s.Offsets[n-1])
	}
	return runs, err
}

// addSupplements fills in the supplements of rows, which are of one line and ascend.
func (t *tx) addSupplements(tableID string, rows []LedgerEntry) error {
	first, last := rows[0].Range, rows[len(rows)-1].Range
	at := 0
	return t.each(func(scan func(...any) error) error {
		s := Supplement{TableID: tableID, Range: first}
		var f nullFile
		var rowEnd int64
		var offsets string
		dest := []any{&rowEnd, &s.Requeue, &s.Range.Start, &s.Range.End, &offsets, &s.MinTimeUs, &s.MaxTimeUs}
		if err := scan(append(dest, f.dest()...)...); err != nil {
			return err
		}
		var runs segmenter.Exceptions
		if err := json.Unmarshal([]byte(offsets), &runs); err != nil {
			return fmt.Errorf("supplement %s: %w", f.key.String, err)
		}
		s.File, s.Offsets = f.file(), runs.Offsets(segmenter.Quarantined)
		for rows[at].Range.End < rowEnd {
			at++
		}
		rows[at].Supplements = append(rows[at].Supplements, s)
		return nil
	}, `SELECT x.row_end, x.requeue, x.start_offset, x.end_offset, x.offsets, x.min_time_us, x.max_time_us, `+fileColumns("f")+`
		FROM supplements x JOIN files f ON f.file_key = x.file_key
		WHERE x.table_id = $1 AND x.partition = $2 AND x.generation = $3 AND x.row_end >= $4 AND x.row_end <= $5
		ORDER BY x.row_end, x.requeue, x.start_offset`, tableID, first.Partition, first.Generation, first.End, last.End)
}
