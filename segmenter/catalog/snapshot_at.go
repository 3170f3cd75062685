package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Past is what a QuerySnapshot of an earlier moment says beside what one of the present does.
type Past struct {
	Version  int64                      // 0: offsets were asked for
	Us       int64                      // its time, in microseconds since 1970; of a version that was asked for, of the table's last commit by then
	AsOf     *AsOf                      // what was asked for
	Excluded []segmenter.PartitionRange // offsets whose files hold events that were none then, ascending
	Gone     []segmenter.PartitionRange // offsets that were events then, which nothing holds any more, ascending
}

// QuerySnapshotAt returns what a query must know of a table and one of its cubes as of an earlier moment (C15): lines end where they
// did, Segments are those that hold what was committed then and nothing else, Uncovered is the rest without what came since, and
// Partitions have the counts of then. What is committed may change meanwhile, and later: the same moment has the same events. An
// *AsOfError says that the moment is not known. It costs what a snapshot of the present costs that is read anew, and what has
// changed of committed events since the moment.
func (c *Catalog) QuerySnapshotAt(ctx context.Context, tableID, cubeID string, at *AsOf) (s *QuerySnapshot, err error) {
	what := "read snapshot of table " + tableID
	if us := at.Time.UnixMicro(); !at.Time.IsZero() && us <= now() {
		if err := c.seal(ctx, us); err != nil {
			return nil, err
		}
	}
	err = c.scan(ctx, what, func(t *tx) error {
		if _, err := t.snapshotMark(tableID, cubeID); err != nil {
			return err
		}
		s = &QuerySnapshot{TableID: tableID, CubeID: cubeID, Past: &Past{AsOf: at}}
		u := pastSnapshot{snapshotUpdate{tx: t, prev: &QuerySnapshot{}, next: s}}
		return u.run()
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// pastSnapshot makes a snapshot of an earlier moment.
type pastSnapshot struct{ snapshotUpdate }

func (u *pastSnapshot) run() (err error) {
	s := u.next
	if s.Change, err = u.tableChange(s.TableID); err != nil {
		return err
	}
	if s.Partitions, err = u.partitions(s.TableID); err != nil {
		return err
	}
	byOffsets := len(s.Past.AsOf.Offsets) > 0
	if byOffsets {
		err = u.cutAtOffsets()
	} else if err = u.resolve(); err == nil {
		err = u.cutAtVersion()
	}
	if err != nil {
		return err
	}
	ready, oldest, err := u.ready()
	if err != nil {
		return err
	}
	version := s.Past.Version
	if byOffsets {
		version = math.MaxInt64
	}
	changes, err := u.lastChanges(s.TableID, version, oldest)
	if err != nil {
		return err
	}
	for i := range s.Partitions {
		cutStarts(s.Partitions[i].Generations, changes, version)
	}
	u.takeBack(changes, version)
	if err := u.choose(ready, changes, version); err != nil {
		return err
	}
	u.see()
	if err := u.rows(); err != nil || !byOffsets || !s.Long {
		return err
	}
	return u.count()
}

// count counts what rows say that are too many to be kept.
func (u *pastSnapshot) count() error {
	for i := range u.next.Lines {
		l := &u.next.Lines[i]
		for _, r := range l.Uncovered {
			none := 0
			if _, err := u.yieldLine(LedgerQuery{TableID: u.next.TableID, From: r.Start, To: r.End}, r, &none, func(e LedgerEntry, _ error) bool {
				l.Staged = addCounts(l.Staged, segmenter.MeasureRow(e.LedgerRow, r))
				return true
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse says why the moment is not known.
func (u *pastSnapshot) refuse(format string, args ...any) error {
	e := &AsOfError{AsOf: u.next.Past.AsOf, Table: u.next.TableID, Reason: fmt.Sprintf(format, args...)}
	if err := u.row(`SELECT name FROM tables WHERE id = $1`, u.next.TableID).Scan(&e.Table); err != nil {
		return err
	}
	return e
}

// resolve finds the last moment that counts.
func (u *pastSnapshot) resolve() error {
	at, m := u.next.Past.AsOf, u.next.Past
	var last, first instant
	if err := u.row(`SELECT m.version, m.at_us, p.first_version, p.first_us FROM moments m CROSS JOIN tables p WHERE m.one = 1 AND p.id = $1`,
		u.next.TableID).Scan(&last.Version, &last.Us, &first.Version, &first.Us); err != nil {
		return err
	}
	from := fmt.Sprintf("ask from %s, version %d, on: what was committed when is known since then, not before", utc(first.Us), max(first.Version, 1))
	if at.Version != 0 {
		switch {
		case at.Version > last.Version:
			return u.refuse("there is no such version: the newest is %d", last.Version)
		case at.Version < first.Version:
			return u.refuse("%s", from)
		}
		m.Version = at.Version
		return nil
	}
	us := at.Time.UnixMicro()
	switch {
	case us > now():
		return u.refuse("that is in the future: the clock says %s", utc(now()))
	case us < first.Us:
		return u.refuse("%s", from)
	}
	m.Us = us
	err := u.row(`SELECT version FROM partition_moments WHERE at_us <= $1 ORDER BY at_us DESC LIMIT 1`, us).Scan(&m.Version)
	if errors.Is(err, sql.ErrNoRows) {
		m.Version, err = first.Version, nil
	}
	return err
}

func utc(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }

// cutAtVersion makes the partitions what they were.
func (u *pastSnapshot) cutAtVersion() error {
	var kept []PartitionInfo
	for _, p := range u.next.Partitions {
		var generation int32
		var start, end, us int64
		var top sql.NullInt64
		n := &p.Stats
		err := u.row(`SELECT at_us, generation, start_offset, end_offset, max_time_us, events, gaps, quarantined, skipped, lost, files
			FROM partition_moments WHERE table_id = $1 AND partition = $2 AND version <= $3 ORDER BY version DESC LIMIT 1`,
			u.next.TableID, p.Partition, u.next.Past.Version).Scan(&us, &generation, &start, &end, &top,
			&n.Events, &n.Gaps, &n.Quarantined, &n.Skipped, &n.Lost, &n.Files)
		if errors.Is(err, sql.ErrNoRows) {
			continue // it had not begun
		}
		if err != nil {
			return err
		}
		p.HasTime, p.MaxTimeUs, p.Events = top.Valid, top.Int64, n.Events
		cutEnd(&p, generation, end)
		kept = append(kept, p)
		if u.next.Past.AsOf.Version != 0 {
			u.next.Past.Us = max(u.next.Past.Us, us)
		}
	}
	u.next.Partitions = kept
	return nil
}

// cutAtOffsets makes the partitions what they were when they had been read up to offsets.
func (u *pastSnapshot) cutAtOffsets() error {
	var kept []PartitionInfo
	for _, o := range u.next.Past.AsOf.Offsets {
		i := slices.IndexFunc(u.next.Partitions, func(p PartitionInfo) bool { return p.Partition == o.Partition })
		if i < 0 || len(u.next.Partitions[i].Generations) == 0 {
			return u.refuse("it has no partition %d that was read", o.Partition)
		}
		p := u.next.Partitions[i]
		if o.Generation < 0 && len(p.Generations) > 1 {
			return u.refuse("partition %d has generations 0 to %d: write %dg0:%d for an offset of the first", o.Partition, p.Generation, o.Partition, o.Offset)
		}
		at := slices.IndexFunc(p.Generations, func(g GenerationInfo) bool { return g.Generation == max(o.Generation, 0) })
		if at < 0 {
			return u.refuse("partition %d has no generation %d: its last is %d", o.Partition, o.Generation, p.Generation)
		}
		switch g := p.Generations[at]; {
		case o.Offset > g.End:
			return u.refuse("partition %d is committed up to %d: ask for that, or later", o.Partition, g.End)
		case o.Offset < g.Start:
			return u.refuse("partition %d begins at %d: what lies before is not known", o.Partition, g.Start)
		}
		cutEnd(&p, max(o.Generation, 0), o.Offset)
		p.HasTime, p.Stats = false, TableStats{}
		var top sql.NullInt64
		err := u.row(`SELECT max_time_us FROM partition_moments WHERE table_id = $1 AND partition = $2
			AND (generation < $3 OR generation = $3 AND end_offset <= $4) ORDER BY version DESC LIMIT 1`,
			u.next.TableID, p.Partition, p.Generation, o.Offset).Scan(&top)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		p.HasTime, p.MaxTimeUs = top.Valid, top.Int64
		kept = append(kept, p)
	}
	slices.SortFunc(kept, func(a, b PartitionInfo) int { return int(a.Partition) - int(b.Partition) })
	u.next.Partitions = kept
	return nil
}

// cutEnd takes away what of a partition lies behind an offset.
func cutEnd(p *PartitionInfo, generation int32, end int64) {
	p.Generations = slices.DeleteFunc(slices.Clone(p.Generations), func(g GenerationInfo) bool { return g.Generation > generation })
	last := &p.Generations[len(p.Generations)-1]
	last.End = end
	p.Generation, p.Start, p.End = generation, last.Start, end
}

// cutStarts takes away what was laid before the first offsets after a version.
func cutStarts(list []GenerationInfo, changes []ledgerChange, version int64) {
	for i := range list {
		for _, c := range changes {
			if c.prepended && c.version > version && c.r.SameLine(list[i].PartitionRange) {
				list[i].Start = max(list[i].Start, c.r.End)
			}
		}
		list[i].End = max(list[i].End, list[i].Start)
	}
}

// ready reads the segments that may answer, and up to which change the oldest of them knows the table.
func (u *pastSnapshot) ready() (list []*SegmentEntry, oldest int64, err error) {
	s := u.next
	oldest = s.Change
	s.Versions = map[int]*cube.Cube{}
	if s.CubeID == "" {
		return nil, oldest, nil
	}
	if s.Cube, err = u.cubeInfo(s.CubeID); err != nil {
		return nil, 0, err
	}
	s.Versions[s.Cube.Cube.Version] = s.Cube.Cube
	err = u.each(func(scan func(...any) error) error {
		e, err := scanSegment(scan)
		if err == nil && covers(&e) {
			list, oldest = append(list, &e), min(oldest, e.InputsChange)
		}
		return err
	}, `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND state = 'ready'`, s.CubeID)
	return list, oldest, err
}

// takeBack undoes the changes that came later, the newest first: what they added is excluded, and what they removed is gone unless
// a later one has brought it back.
func (u *pastSnapshot) takeBack(changes []ledgerChange, version int64) {
	p := u.next.Past
	for _, c := range changes {
		if c.version <= version {
			continue
		}
		lost := segmenter.Vector(c.removed).Subtract(p.Excluded)
		p.Excluded = segmenter.Vector(p.Excluded).Subtract(c.removed)
		p.Gone = segmenter.Vector(p.Gone).Subtract(c.added)
		p.Excluded, p.Gone = united(append(p.Excluded, c.added...)), united(append(p.Gone, lost...))
	}
}

// choose takes the segments that hold what was committed at the moment, and nothing else.
func (u *pastSnapshot) choose(ready []*SegmentEntry, changes []ledgerChange, version int64) (err error) {
	var lines segmenter.Vector
	for _, g := range generationsOf(u.next.Partitions) {
		lines = append(lines, g.Range())
	}
	u.come, u.gone = map[lineKey][]segmenter.PartitionRange{}, map[lineKey][]segmenter.PartitionRange{}
	u.built, u.changed = map[lineKey]segmenter.Measure{}, map[lineKey][]segmenter.PartitionRange{}
	var usable []*SegmentEntry
	for _, e := range ready {
		if !lines.Covers(e.Range) || !holds(e, changes, version) {
			continue
		}
		usable = append(usable, e)
		if u.next.Versions[e.Version] == nil {
			if u.next.Versions[e.Version], err = u.cubeVersion(u.next.CubeID, e.Version); err != nil {
				return err
			}
		}
	}
	u.next.Segments, u.next.upTo = u.prev.withSegments(usable)
	u.moveCover(usable)
	return nil
}

// holds reports whether a segment holds, of its offsets, what was committed at a version: all changes up to it and none of later.
func holds(e *SegmentEntry, changes []ledgerChange, version int64) bool {
	explained := !e.Stale
	for _, c := range changes {
		if c.none() || !(segmenter.Vector{c.r}).Overlaps(e.Range) {
			continue
		}
		switch {
		case c.number <= e.InputsChange:
			if c.version > version {
				return false
			}
		case c.number <= e.LatestChange, c.version <= version: // it may be in it, or it is missing
			return false
		default:
			explained = true
		}
	}
	return explained
}

// see makes the lines.
func (u *pastSnapshot) see() {
	s := u.next
	for _, g := range generationsOf(s.Partitions) {
		l := u.line(g)
		l.Uncovered = segmenter.Vector(l.Uncovered).Subtract(s.Past.Excluded)
		s.Lines = append(s.Lines, l)
		s.Past.Gone = segmenter.Vector(s.Past.Gone).Subtract(l.covered)
	}
	var held []segmenter.PartitionRange
	for _, r := range s.Past.Gone {
		if l := s.Line(r.Partition, r.Generation); l != nil {
			if r.End = min(r.End, l.End); !r.Empty() {
				held = append(held, r)
			}
		}
	}
	s.Past.Gone = held
}
