package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// LedgerQuery chooses rows of a ledger.
type LedgerQuery struct {
	TableID   string
	Partition int32                     // -1: all
	From, To  int64                     // rows with an offset in [From, To); To 0: no end. They hold for every generation
	After     *segmenter.PartitionRange // rows behind this one in the order of the answer: the next page
	Limit     int                       // 0: all
}

// LedgerEntry is one committed row. Its exceptions are those that are left and its events and times include those of its
// supplements; the staged file itself still counts File.Records.
type LedgerEntry struct {
	segmenter.LedgerRow
	Epoch       int64
	File        *File
	Quarantine  *File // also holds the records that were requeued since
	LedgerFile  *File
	Supplements []Supplement // ascending by requeue; each as far as it lies in this row
}

// How much of a ledger is in memory at once while it is read: rows, and bytes of their exceptions as JSON, of which one row
// is always taken. A table with many bad records has long lists.
const (
	ledgerPage      = 500
	ledgerPageBytes = 4 << 20
)

// line is one generation of a partition: its committed range.
type line = segmenter.PartitionRange

// Ledger yields rows by partition, generation and start, all of one state of the catalog (one transaction). It holds a
// database connection until the loop ends. The last pair holds the error, if any. Finding the first row costs the same
// whatever lies before it (C7).
func (c *Catalog) Ledger(ctx context.Context, q LedgerQuery) iter.Seq2[LedgerEntry, error] {
	return func(yield func(LedgerEntry, error) bool) {
		stopped := false
		err := c.scan(ctx, "read ledger of table "+q.TableID, func(t *tx) error {
			if err := t.wantTable(q.TableID); err != nil {
				return err
			}
			lines, err := t.lines(q.TableID, q.Partition)
			if err != nil {
				return err
			}
			left := q.Limit
			for _, l := range lines {
				if done, err := t.yieldLine(q, l, &left, yield); err != nil || done {
					stopped = done
					return err
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(LedgerEntry{}, err)
		}
	}
}

// yieldLine yields the rows of one line page by page; done means that no more are wanted.
func (t *tx) yieldLine(q LedgerQuery, l line, left *int, yield func(LedgerEntry, error) bool) (done bool, err error) {
	from, to := q.From, q.To
	if to == 0 {
		to = math.MaxInt64
	}
	if a := q.After; a != nil {
		switch {
		case a.Partition > l.Partition, a.Partition == l.Partition && a.Generation > l.Generation:
			return false, nil
		case a.SameLine(l):
			from = max(from, a.End)
		}
	}
	for {
		n := t.c.pageRows
		if q.Limit > 0 {
			n = min(n, *left)
		}
		if n == 0 {
			return true, nil
		}
		page, more, err := t.page(q.TableID, l, from, n)
		if err != nil {
			return false, err
		}
		for _, e := range page {
			if e.Range.Start >= to {
				return false, nil
			}
			if !yield(e, nil) {
				return true, nil
			}
			*left--
		}
		if !more {
			return false, nil
		}
		from = page[len(page)-1].Range.End
	}
}

// lines lists the generations of a partition, or of all with -1, in order.
func (t *tx) lines(tableID string, partition int32) (list []line, err error) {
	err = t.each(func(scan func(...any) error) error {
		var l line
		err := scan(&l.Partition, &l.Generation, &l.Start, &l.End)
		list = append(list, l)
		return err
	}, `SELECT partition, generation, start_offset, end_offset FROM generations
			WHERE table_id = $1 AND ($2 = -1 OR partition = $2)
		UNION ALL
		SELECT partition, generation, start_offset, end_offset FROM partitions
			WHERE table_id = $1 AND ($2 = -1 OR partition = $2) AND begun = 1
		ORDER BY 1, 2`, tableID, partition)
	return list, err
}

// page reads up to n rows of a line that have offsets at or above from, and whether there may be more. It starts at the row
// that holds from: the first whose end is above it.
func (t *tx) page(tableID string, l line, from int64, n int) (list []LedgerEntry, more bool, err error) {
	supplemented, size := false, 0
	err = t.each(func(scan func(...any) error) error {
		r, err := scanEntry(scan)
		supplemented = supplemented || r.supplemented
		list = append(list, r.LedgerEntry)
		if size += r.size; err == nil && size >= t.c.pageBytes {
			return errStop
		}
		return err
	}, selectEntry()+`WHERE l.table_id = $1 AND l.partition = $2 AND l.generation = $3 AND l.end_offset > $4
		ORDER BY l.end_offset LIMIT $5`, tableID, l.Partition, l.Generation, from, n)
	full := errors.Is(err, errStop)
	if err != nil && !full {
		return nil, false, err
	}
	more = full || len(list) == n
	if supplemented {
		err = t.addSupplements(tableID, list)
		return list, more, err
	}
	return list, more, nil
}

// selectEntry reads what scanEntry scans of ledger rows l.
func selectEntry() string {
	return `SELECT l.partition, l.generation, l.start_offset, l.end_offset, l.state, l.events, l.exceptions, l.min_time_us, l.max_time_us,
		l.reason, l.epoch, ` + fileColumns("s") + `, ` + fileColumns("q") + `, ` + fileColumns("f") + `,
		EXISTS (SELECT 1 FROM supplements x WHERE x.table_id = l.table_id AND x.partition = l.partition
			AND x.generation = l.generation AND x.row_end = l.end_offset)
		FROM ledger l
		LEFT JOIN files s ON s.file_key = l.staged_key
		LEFT JOIN files q ON q.file_key = l.quarantine_key
		LEFT JOIN files f ON f.file_key = l.ledger_key
		`
}

func fileColumns(a string) string {
	return fmt.Sprintf("%[1]s.file_key, %[1]s.size, %[1]s.sha256, %[1]s.format, %[1]s.schema_version, %[1]s.records, %[1]s.row_hash", a)
}

// nullFile is a file that a LEFT JOIN may not have found.
type nullFile struct {
	key, sha, format, hash sql.NullString
	size, schema, records  sql.NullInt64
}

func (f *nullFile) dest() []any {
	return []any{&f.key, &f.size, &f.sha, &f.format, &f.schema, &f.records, &f.hash}
}

func (f *nullFile) file() *File {
	if !f.key.Valid {
		return nil
	}
	return &File{
		Key: f.key.String, Size: f.size.Int64, SHA256: f.sha.String, Format: cube.Format(f.format.String),
		Schema: int(f.schema.Int64), Records: f.records.Int64, RowHash: f.hash.String,
	}
}

// scanned is a ledger row as it comes from the database.
type scanned struct {
	LedgerEntry
	supplemented bool
	size         int // bytes of its exceptions
}

func scanEntry(scan func(...any) error) (s scanned, err error) {
	var exceptions, state string
	var staged, quarantine, ledger nullFile
	r := &s.Range
	dest := []any{
		&r.Partition, &r.Generation, &r.Start, &r.End, &state, &s.Events, &exceptions, &s.MinTimeUs, &s.MaxTimeUs,
		&s.Reason, &s.Epoch,
	}
	dest = append(append(append(dest, staged.dest()...), quarantine.dest()...), ledger.dest()...)
	if err := scan(append(dest, &s.supplemented)...); err != nil {
		return s, err
	}
	s.State, s.size = segmenter.RowState(state), len(exceptions)
	s.File, s.Quarantine, s.LedgerFile = staged.file(), quarantine.file(), ledger.file()
	s.Exceptions, err = decodeExceptions(exceptions)
	if err != nil {
		return s, fmt.Errorf("ledger row %s: %w", s.Range, err)
	}
	return s, nil
}

func decodeExceptions(text string) (e segmenter.Exceptions, err error) {
	if text == "[]" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &e)
	return e, err
}

// wantTable fails for a table that never existed; what was read of a dropped one can still be asked for.
func (t *tx) wantTable(tableID string) error {
	err := t.row(`SELECT id FROM tables WHERE id = $1`, tableID).Scan(new(string))
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("table with id %s: %w", tableID, ErrNotFound)
	}
	return err
}

// PartitionInfo is all that is known of a partition but its rows.
type PartitionInfo struct {
	Partition int32
	PartitionState
	Owner, Address string // empty: released, or never assigned
	Generations    []GenerationInfo
	Stats          TableStats
}

// GenerationInfo is one life of a topic's partition.
type GenerationInfo struct {
	segmenter.PartitionRange
	TopicID      string
	Closed       bool   // the present one is not
	ClosedReason string // why the next one began
	ClosedUs     int64
}

// Partitions lists the partitions of a table with their generations, oldest first.
func (c *Catalog) Partitions(ctx context.Context, tableID string) (list []PartitionInfo, err error) {
	err = c.read(ctx, "list partitions of table "+tableID, func(t *tx) error {
		if err := t.wantTable(tableID); err != nil {
			return err
		}
		list, err = t.partitions(tableID)
		return err
	})
	return list, err
}

func (t *tx) partitions(tableID string) (list []PartitionInfo, err error) {
	closed := make(map[int32][]GenerationInfo)
	if err := t.each(func(scan func(...any) error) error {
		g := GenerationInfo{Closed: true}
		err := scan(&g.Partition, &g.Generation, &g.Start, &g.End, &g.TopicID, &g.ClosedReason, &g.ClosedUs)
		closed[g.Partition] = append(closed[g.Partition], g)
		return err
	}, `SELECT partition, generation, start_offset, end_offset, topic_id, reason, closed_us FROM generations
		WHERE table_id = $1 ORDER BY partition, generation`, tableID); err != nil {
		return nil, err
	}
	err = t.each(func(scan func(...any) error) error {
		p, err := scanPart(scan)
		if err != nil {
			return err
		}
		i := PartitionInfo{
			Partition: p.partition, PartitionState: p.PartitionState, Owner: p.owner, Address: p.address,
			Generations: closed[p.partition], Stats: p.stats,
		}
		if p.Begun {
			i.Generations = append(i.Generations, GenerationInfo{PartitionRange: p.line(), TopicID: p.TopicID})
		}
		list = append(list, i)
		return nil
	}, `SELECT `+partColumns+` FROM partitions p WHERE p.table_id = $1 ORDER BY p.partition`, tableID)
	return list, err
}

// Referenced yields every key that the catalog names for a table, in no order, in one state of the catalog. A dropped table
// needs none of its files: it yields nothing. It holds a database connection until the loop ends.
func (c *Catalog) Referenced(ctx context.Context, tableID string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stopped := false
		err := c.scan(ctx, "read files of table "+tableID, func(t *tx) error {
			if err := t.wantTable(tableID); err != nil {
				return err
			}
			return t.each(func(scan func(...any) error) error {
				var key string
				if err := scan(&key); err != nil {
					return err
				}
				if !yield(key, nil) {
					stopped = true
					return errStop
				}
				return nil
			}, `SELECT f.file_key FROM files f JOIN tables t ON t.id = f.table_id
				WHERE f.table_id = $1 AND t.dropped_us = 0`, tableID)
		})
		if err != nil && !stopped {
			yield("", err)
		}
	}
}

// errStop ends an iteration that its caller has left.
var errStop = errors.New("stopped")
