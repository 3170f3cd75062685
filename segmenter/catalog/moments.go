package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// instant is a version of what all tables hold. Versions and times both ascend in the order of commits.
type instant struct {
	Version int64
	Us      int64 // microseconds since 1970
}

// moment returns that of a transaction which changes what is committed. From its first call on all others that do wait until the
// transaction ends: whoever sees a version sees all before it (C15).
func (t *tx) moment() (instant, error) {
	if t.at.Version != 0 {
		return t.at, nil
	}
	err := t.row(`UPDATE moments SET version = version + 1, at_us = CASE WHEN at_us >= $1 THEN at_us + 1 ELSE $1 END WHERE one = 1
		RETURNING version, at_us`, now()).Scan(&t.at.Version, &t.at.Us)
	return t.at, err
}

// seal gives all later moments later times than us. What is committed by then does not change any more.
func (c *Catalog) seal(ctx context.Context, us int64) error {
	sealed := false
	if err := c.ask(ctx, "read the last moment", func(t *tx) error {
		return t.row(`SELECT at_us >= $1 FROM moments WHERE one = 1`, us).Scan(&sealed)
	}); err != nil || sealed {
		return err
	}
	return c.write(ctx, "seal a moment", func(t *tx) error {
		_, err := t.exec(`UPDATE moments SET at_us = $1 WHERE one = 1 AND at_us < $1`, us)
		return err
	})
}

// partState is what is remembered of a partition.
type partState struct {
	begun      bool
	generation int32
	start, end int64
	maxTime    sql.NullInt64
	stats      TableStats
}

func (p *part) state() partState {
	s := partState{begun: p.Begun, generation: p.Generation, start: p.Start, end: p.End, stats: p.stats}
	if s.maxTime.Valid = p.HasTime; p.HasTime {
		s.maxTime.Int64 = p.MaxTimeUs
	}
	return s
}

// remember keeps what a partition holds after this transaction, unless it holds what it did.
func (t *tx) remember(p *part) error {
	now := p.state()
	if t.at.Version == 0 && now == p.was {
		return nil
	}
	m, err := t.moment()
	if err != nil {
		return err
	}
	s := now.stats
	_, err = t.exec(`INSERT INTO partition_moments (table_id, partition, version, at_us, generation, start_offset, end_offset, max_time_us,
		events, gaps, quarantined, skipped, lost, files) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		p.tableID, p.partition, m.Version, m.Us, now.generation, now.start, now.end, now.maxTime,
		s.Events, s.Gaps, s.Quarantined, s.Skipped, s.Lost, s.Files)
	return err
}

// effect is what a change does to events.
type effect struct {
	added, removed []segmenter.PartitionRange
	prepended      bool
}

// ledgerChange is a change of committed events.
type ledgerChange struct {
	number, version int64
	r               segmenter.PartitionRange
	effect
}

// none reports whether the change left all events what they were.
func (e *effect) none() bool { return len(e.added) == 0 && len(e.removed) == 0 && !e.prepended }

// offsetsText writes ranges of one line.
func offsetsText(list []segmenter.PartitionRange) (string, error) {
	out := make([][2]int64, len(list))
	for i, r := range list {
		out[i] = [2]int64{r.Start, r.End}
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// offsetsOf reads what offsetsText wrote, of a line.
func offsetsOf(text string, l line) (list []segmenter.PartitionRange, err error) {
	if text == "[]" {
		return nil, nil
	}
	var pairs [][2]int64
	err = json.Unmarshal([]byte(text), &pairs)
	for _, p := range pairs {
		l.Start, l.End = p[0], p[1]
		list = append(list, l)
	}
	return list, err
}

// lastChanges reads the changes of a table that came after a version, or after a number, the newest first. It costs what came after.
func (t *tx) lastChanges(tableID string, version, number int64) (list []ledgerChange, err error) {
	err = t.each(func(scan func(...any) error) error {
		var c ledgerChange
		var added, removed string
		if err := scan(&c.number, &c.version, &c.r.Partition, &c.r.Generation, &c.r.Start, &c.r.End, &added, &removed, &c.prepended); err != nil {
			return err
		}
		if c.version <= version && c.number <= number {
			return errStop
		}
		var err error
		if c.added, err = offsetsOf(added, c.r); err != nil {
			return err
		}
		c.removed, err = offsetsOf(removed, c.r)
		list = append(list, c)
		return err
	}, `SELECT change, version, partition, generation, start_offset, end_offset, added, removed, prepended FROM ledger_changes
		WHERE table_id = $1 ORDER BY change DESC`, tableID)
	return list, notStop(err)
}

// eventsOf returns the offsets of a row that are events, ascending.
func eventsOf(r segmenter.LedgerRow) (out []segmenter.PartitionRange) {
	if r.State != segmenter.Staged {
		return nil
	}
	next := r.Range
	for _, x := range r.Exceptions {
		if next.End = x.Start; !next.Empty() {
			out = append(out, next)
		}
		next.Start = x.End
	}
	if next.End = r.Range.End; !next.Empty() {
		out = append(out, next)
	}
	return out
}

// eventsOfRows returns the offsets of contiguous rows that are events.
func eventsOfRows(rows []Commit) (out []segmenter.PartitionRange) {
	for i := range rows {
		out = append(out, eventsOf(rows[i].Row)...)
	}
	return united(out)
}

// united sorts ranges of any lines, and makes one of those that touch or overlap.
func united(list []segmenter.PartitionRange) (out []segmenter.PartitionRange) {
	sorted := slices.DeleteFunc(slices.Clone(list), segmenter.PartitionRange.Empty)
	slices.SortFunc(sorted, compareRanges)
	for _, r := range sorted {
		if n := len(out); n > 0 && out[n-1].SameLine(r) && out[n-1].End >= r.Start {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}
