package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// QuerySnapshot returns what a query must know of a table and one of its cubes ("": of none). prev is an earlier answer of the same table and cube, or nil. Where nothing has
// changed since, it is the answer again, for one question; else only what has changed is read (C7): rows that were committed,
// were changed, or lost their segment, and segments that were published or retired.
func (c *Catalog) QuerySnapshot(ctx context.Context, tableID, cubeID string, prev *QuerySnapshot) (s *QuerySnapshot, err error) {
	what, read := "read snapshot of table "+tableID, c.read
	if prev == nil || prev.TableID != tableID || prev.CubeID != cubeID {
		prev, read = nil, c.scan
	} else {
		same := false
		if err := c.ask(ctx, what, func(t *tx) error {
			mark, err := t.snapshotMark(tableID, cubeID)
			same = mark == prev.mark
			return err
		}); err != nil {
			return nil, err
		}
		if same {
			return prev, nil
		}
	}
	err = read(ctx, what, func(t *tx) error {
		mark, err := t.snapshotMark(tableID, cubeID)
		if err != nil {
			return err
		}
		u := snapshotUpdate{tx: t, prev: prev, next: &QuerySnapshot{TableID: tableID, CubeID: cubeID, mark: mark, Change: mark.table.Change}}
		s = u.next
		return u.run()
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (t *tx) snapshotMark(tableID, cubeID string) (m snapshotMark, err error) {
	var rev sql.NullInt64
	err = t.row(`SELECT `+markColumns+`, (SELECT q.revision FROM cubes q WHERE q.id = $2 AND q.table_id = $1 AND q.dropped_us = 0)
		FROM tables a LEFT JOIN partitions b ON b.table_id = a.id WHERE a.id = $1 AND a.dropped_us = 0 GROUP BY a.id`,
		tableID, cubeID).Scan(append(m.table.dest(), &rev)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return m, fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
	case err == nil && cubeID != "" && !rev.Valid:
		return m, fmt.Errorf("cube with id %s of table %s: %w", cubeID, tableID, ErrNotFound)
	}
	m.cube = rev.Int64
	return m, err
}

// snapshotUpdate makes the next snapshot of the one before.
type snapshotUpdate struct {
	*tx
	prev, next *QuerySnapshot // prev: nil at first

	come, gone map[lineKey][]segmenter.PartitionRange // what segments that came or went cover
	built      map[lineKey]segmenter.Measure          // what became of Built
	changed    map[lineKey][]segmenter.PartitionRange // of ledger rows that were replaced or supplemented
}

type lineKey struct{ partition, generation int32 }

func (u *snapshotUpdate) run() (err error) {
	s := u.next
	if s.Partitions, err = u.partitions(s.TableID); err != nil {
		return err
	}
	if u.prev == nil {
		u.prev = &QuerySnapshot{Change: s.Change}
	}
	if err := u.segments(); err != nil {
		return err
	}
	u.changed = map[lineKey][]segmenter.PartitionRange{}
	if s.Change > u.prev.Change {
		if err := u.eachChange(s.TableID, u.prev.Change, func(_ int64, r segmenter.PartitionRange) error {
			k := lineKey{r.Partition, r.Generation}
			u.changed[k] = append(u.changed[k], r)
			return nil
		}); err != nil {
			return err
		}
	}
	for _, g := range generationsOf(s.Partitions) {
		s.Lines = append(s.Lines, u.line(g))
	}
	return u.rows()
}

// segments reads those that have changed.
func (u *snapshotUpdate) segments() error {
	s, old := u.next, u.prev
	s.Cube, s.Versions, s.Segments, s.upTo, s.moved = old.Cube, old.Versions, old.Segments, old.upTo, s.mark.cube
	if s.CubeID == "" || old.moved == s.mark.cube {
		return nil
	}
	var err error
	if s.Cube, err = u.cubeInfo(s.CubeID); err != nil {
		return err
	}
	query, args := `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND revision > $2`, []any{s.CubeID, old.moved}
	if old.moved == 0 {
		query, args = `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND state = 'ready'`, args[:1]
	}
	var changed []*SegmentEntry
	if err := u.each(func(scan func(...any) error) error {
		e, err := scanSegment(scan)
		changed = append(changed, &e)
		return err
	}, query, args...); err != nil {
		return err
	}
	s.Segments, s.upTo = old.withSegments(changed)
	u.moveCover(changed)
	s.Versions = maps.Clone(old.Versions)
	if s.Versions == nil {
		s.Versions = map[int]*cube.Cube{}
	}
	s.Versions[s.Cube.Cube.Version] = s.Cube.Cube
	for _, e := range changed {
		if !covers(e) || s.Versions[e.Version] != nil {
			continue
		}
		if s.Versions[e.Version], err = u.cubeVersion(s.CubeID, e.Version); err != nil {
			return err
		}
	}
	return nil
}

// moveCover notes what changed segments cover no more, and what they do now.
func (u *snapshotUpdate) moveCover(changed []*SegmentEntry) {
	u.come, u.gone = map[lineKey][]segmenter.PartitionRange{}, map[lineKey][]segmenter.PartitionRange{}
	u.built = map[lineKey]segmenter.Measure{}
	for _, e := range changed {
		if old := u.prev.known(e.Number); old != nil {
			for _, r := range old.Range {
				k := lineKey{r.Partition, r.Generation}
				u.gone[k] = append(u.gone[k], r)
			}
			for _, p := range old.Parts {
				k := lineKey{p.Partition, p.Generation}
				u.built[k] = lessCounts(u.built[k], counts(p.Measure))
			}
		}
		if !covers(e) {
			continue
		}
		for _, r := range e.Range {
			k := lineKey{r.Partition, r.Generation}
			u.come[k] = append(u.come[k], r)
		}
		for _, p := range e.Parts {
			k := lineKey{p.Partition, p.Generation}
			u.built[k] = addCounts(u.built[k], p.Measure)
		}
	}
}

func addCounts(m, o segmenter.Measure) segmenter.Measure {
	m.Events += o.Events
	m.Gaps += o.Gaps
	m.Quarantined += o.Quarantined
	m.Skipped += o.Skipped
	m.Lost += o.Lost
	return m
}

// line returns what is known of a generation without its rows.
func (u *snapshotUpdate) line(g segmenter.Generation) QueryLine {
	l := QueryLine{Generation: g}
	k := lineKey{g.Partition, g.Generation}
	if old := u.prev.Line(g.Partition, g.Generation); old != nil {
		l.covered, l.Built = old.covered, old.Built
	}
	l.Built = addCounts(l.Built, u.built[k])
	if come, gone := u.come[k], u.gone[k]; len(come)+len(gone) > 0 {
		left := segmenter.Vector(l.covered).Subtract(gone)
		for _, r := range come {
			if !r.Empty() {
				left = append(left, r)
			}
		}
		l.covered = joined(left)
	}
	l.Uncovered = segmenter.Vector{g.Range()}.Subtract(l.covered)
	return l
}

// rows fills in the rows of all lines, or finds that there are too many.
func (u *snapshotUpdate) rows() error {
	s, old := u.next, u.prev
	if old.Long { // until segments take most of them in, they stay too many
		if s.moved == old.moved {
			s.Long = true
			return nil
		}
		n := 0
		for i := range s.Lines {
			for _, r := range s.Lines[i].Uncovered {
				more, err := u.countRows(r, u.c.opts.SnapshotRows+1-n)
				if err != nil {
					return err
				}
				n += more
			}
		}
		if s.Long = n > u.c.opts.SnapshotRows; s.Long {
			return nil
		}
	}
	for i := range s.Lines {
		if err := u.fill(&s.Lines[i]); err != nil {
			return err
		}
		if s.Long = s.rows > u.c.opts.SnapshotRows; s.Long {
			break
		}
	}
	if s.Long {
		s.rows = 0
		for i := range s.Lines {
			s.Lines[i].Rows, s.Lines[i].Staged = nil, segmenter.Measure{}
		}
	}
	return nil
}

func (u *snapshotUpdate) countRows(r segmenter.PartitionRange, limit int) (n int, err error) {
	err = u.row(`SELECT COUNT(*) FROM (SELECT 1 FROM ledger l WHERE l.table_id = $1 AND l.partition = $2 AND l.generation = $3
		AND l.end_offset > $4 AND l.start_offset < $5 LIMIT $6) AS x`,
		u.next.TableID, r.Partition, r.Generation, r.Start, r.End, limit).Scan(&n)
	return n, err
}

// fill sets the rows of a line: those of the line before that still count, and what is missing.
func (u *snapshotUpdate) fill(l *QueryLine) error {
	k := lineKey{l.Partition, l.Generation.Generation}
	old := u.prev.Line(k.partition, k.generation)
	if u.prev.Long || old == nil {
		old = &QueryLine{}
	}
	if len(u.come[k])+len(u.gone[k])+len(u.changed[k]) == 0 && old.Start == l.Start {
		l.Rows, l.Staged = slices.Clip(old.Rows), old.Staged // what is new lies behind them
		u.next.rows += len(l.Rows)
		return u.readMissing(l, segmenter.Vector(l.Uncovered).Subtract(old.Uncovered))
	}
	for _, e := range old.Rows {
		i := behind(l.Uncovered, e.Range)
		left := i < len(l.Uncovered) && l.Uncovered[i].Start < e.Range.End
		if left && !slices.ContainsFunc(u.changed[k], e.Range.Overlaps) {
			u.add(l, e)
		}
	}
	var have []segmenter.PartitionRange
	for _, e := range l.Rows {
		have = append(have, e.Range)
	}
	return u.readMissing(l, segmenter.Vector(l.Uncovered).Subtract(have))
}

// add appends a row and counts what it says of uncovered offsets.
func (u *snapshotUpdate) add(l *QueryLine, e *LedgerEntry) {
	l.Rows = append(l.Rows, e)
	i := behind(l.Uncovered, e.Range)
	for ; i < len(l.Uncovered) && l.Uncovered[i].Start < e.Range.End; i++ {
		l.Staged = addCounts(l.Staged, segmenter.MeasureRow(e.LedgerRow, l.Uncovered[i]))
	}
	u.next.rows++
}

// readMissing reads the rows that have offsets in ranges, which no row of l holds.
func (u *snapshotUpdate) readMissing(l *QueryLine, missing []segmenter.PartitionRange) error {
	sorted := len(l.Rows)
	for _, r := range missing {
		for from, more := r.Start, true; more && from < r.End; {
			if n := len(l.Rows); n > sorted && l.Rows[n-1].Range.End > from { // it reaches over what is covered
				from = l.Rows[n-1].Range.End
				continue
			}
			var page []LedgerEntry
			var err error
			if page, more, err = u.page(u.next.TableID, r, from, u.c.pageRows); err != nil {
				return err
			}
			for i := range page {
				if from = page[i].Range.End; page[i].Range.Start < r.End {
					u.add(l, &page[i])
				}
			}
			if u.next.rows > u.c.opts.SnapshotRows {
				return nil
			}
		}
	}
	if sorted > 0 && sorted < len(l.Rows) && l.Rows[sorted].Range.Start < l.Rows[sorted-1].Range.Start {
		slices.SortFunc(l.Rows, func(a, b *LedgerEntry) int { return compareRanges(a.Range, b.Range) })
	}
	return nil
}
