package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// File is one object that a commit names.
type File struct {
	Key     string
	Size    int64  // bytes
	SHA256  string // hex
	Format  cube.Format
	Schema  int   // version of the table's definition
	Records int64 // events of a staged or supplement file, records of a quarantine file
	RowHash string
}

// Commit is one ledger row with its files. Staged rows have a File with as many records as the row has events, even with
// none: the ledger can be told from files alone. They have a Quarantine file if they have quarantined offsets. Skipped and
// lost rows have a LedgerFile.
type Commit struct {
	TableID     string
	Epoch       int64
	Row         segmenter.LedgerRow
	File        *File
	Quarantine  *File
	LedgerFile  *File
	Fingerprint *Fingerprint // of the last record read; nil leaves the one before
}

// Commit makes offsets read, skipped or lost for good: the row must start at the committed end of the present generation
// and the epoch be current (I3), else *NotContiguousError or *StaleEpochError. A row that this epoch has committed already
// with the same range, state and file is a success (C3).
func (c *Catalog) Commit(ctx context.Context, m Commit) error {
	if err := m.check(m.TableID); err != nil {
		return fmt.Errorf("catalog: commit: %w", err)
	}
	return c.write(ctx, fmt.Sprintf("commit table %s %s", m.TableID, m.Row.Range), func(t *tx) error {
		p, err := t.lockPartition(m.TableID, m.Row.Range.Partition)
		if err != nil {
			return err
		}
		if r := m.Row.Range; r.Generation < p.Generation || r.End <= p.End {
			done, err := t.committed(m, m.Epoch)
			if err != nil || done {
				return err
			}
		}
		if err := p.fence(m.Epoch); err != nil {
			return err
		}
		if err := t.append(p, m); err != nil {
			return err
		}
		return t.save(p)
	})
}

// append adds a row at the end of p, which the caller saves.
func (t *tx) append(p *part, m Commit) error {
	if !p.Begun {
		return &ConflictError{What: p.String(), Reason: "it has not begun: call Begin with its first offset"}
	}
	if r := m.Row.Range; r.Generation != p.Generation || r.Start != p.End {
		want := p.line()
		want.Start = want.End
		return &NotContiguousError{TableID: p.tableID, Got: r, Want: want}
	}
	if err := t.addRow(p, m); err != nil {
		return err
	}
	p.End = m.Row.Range.End
	if m.Fingerprint != nil {
		p.Fingerprint = m.Fingerprint
	}
	return nil
}

// addRow stores a row with its files and counts it in p, which the caller saves.
func (t *tx) addRow(p *part, m Commit) error {
	var keys [3]sql.NullString
	for i, f := range []*File{m.File, m.Quarantine, m.LedgerFile} {
		if f == nil {
			continue
		}
		if err := t.addFile(p.tableID, f); err != nil {
			return err
		}
		keys[i] = sql.NullString{String: f.Key, Valid: true}
	}
	exceptions, err := encodeExceptions(m.Row.Exceptions)
	if err != nil {
		return err
	}
	r, rng := m.Row, m.Row.Range
	if _, err := t.exec(`INSERT INTO ledger (table_id, partition, generation, start_offset, end_offset, state, events, exceptions,
		min_time_us, max_time_us, reason, epoch, staged_key, quarantine_key, ledger_key, committed_us, time_step)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		p.tableID, rng.Partition, rng.Generation, rng.Start, rng.End, string(r.State), r.Events, exceptions,
		r.MinTimeUs, r.MaxTimeUs, r.Reason, m.Epoch, keys[0], keys[1], keys[2], now(), timeStep(r.MinTimeUs, r.MaxTimeUs)); err != nil {
		return err
	}
	p.stats.add(statsOf(m), 1)
	p.sawTimes(r.Events, r.MaxTimeUs)
	return nil
}

// sawTimes raises the highest event time.
func (p *part) sawTimes(events, maxUs int64) {
	if events > 0 && (!p.HasTime || maxUs > p.MaxTimeUs) {
		p.HasTime, p.MaxTimeUs = true, maxUs
	}
}

func (t *tx) addFile(tableID string, f *File) error {
	n, err := t.exec(`INSERT INTO files (file_key, table_id, size, sha256, format, schema_version, records, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		f.Key, tableID, f.Size, f.SHA256, string(f.Format), f.Schema, f.Records, f.RowHash)
	if err == nil && n == 0 {
		return &ConflictError{What: "file " + f.Key, Reason: "another ledger row or supplement names it already (C6)"}
	}
	return err
}

// committed reports whether the ledger holds m's row as epoch would have committed it.
func (t *tx) committed(m Commit, epoch int64) (bool, error) {
	r := m.Row.Range
	var staged, ledger sql.NullString
	var start, by int64
	var state string
	err := t.row(`SELECT start_offset, state, epoch, staged_key, ledger_key FROM ledger
		WHERE table_id = $1 AND partition = $2 AND generation = $3 AND end_offset = $4`,
		m.TableID, r.Partition, r.Generation, r.End).Scan(&start, &state, &by, &staged, &ledger)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	same := start == r.Start && state == string(m.Row.State) && by == epoch &&
		staged.String == m.File.key() && ledger.String == m.LedgerFile.key()
	return same && err == nil, err
}

func (f *File) key() string {
	if f == nil {
		return ""
	}
	return f.Key
}

// check refuses a row that breaks S3 or S4, and files that do not fit it.
func (m *Commit) check(tableID string) error {
	if m.TableID != tableID {
		return fmt.Errorf("row %s is of table %q, want %q", m.Row.Range, m.TableID, tableID)
	}
	if err := m.Row.Validate(); err != nil {
		return err
	}
	staged := m.Row.State == segmenter.Staged
	quarantined := m.Row.Exceptions.Count(segmenter.Quarantined)
	wants := []struct {
		name    string
		f       *File
		want    bool
		records int64
	}{
		{"staged", m.File, staged, m.Row.Events},
		{"quarantine", m.Quarantine, quarantined > 0, quarantined},
		{"ledger", m.LedgerFile, !staged, -1},
	}
	for _, w := range wants {
		switch {
		case w.want && w.f == nil:
			return fmt.Errorf("%s row %s: its %s file is missing", m.Row.State, m.Row.Range, w.name)
		case !w.want && w.f != nil:
			return fmt.Errorf("%s row %s: it has no use for the %s file %s", m.Row.State, m.Row.Range, w.name, w.f.Key)
		case w.f == nil:
		case w.f.Key == "" || w.f.Size < 0:
			return fmt.Errorf("%s file %q of %d bytes: want a key and a size", w.name, w.f.Key, w.f.Size)
		case w.records >= 0 && w.f.Records != w.records:
			return fmt.Errorf("%s file %s has %d records, the row %s counts %d (S4)", w.name, w.f.Key, w.f.Records, m.Row.Range, w.records)
		}
	}
	if fp := m.Fingerprint; fp != nil && (fp.Offset < 0 || fp.Offset >= m.Row.Range.End) {
		return fmt.Errorf("fingerprint of offset %d lies outside what was read up to %d", fp.Offset, m.Row.Range.End)
	}
	return nil
}

// encodeExceptions writes an empty list as [], for those who read the column with other tools.
func encodeExceptions(e segmenter.Exceptions) (string, error) {
	if len(e) == 0 {
		return "[]", nil
	}
	data, err := json.Marshal(e)
	return string(data), err
}
