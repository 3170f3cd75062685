package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// SegmentEntry is a segment as the catalog holds it.
type SegmentEntry struct {
	segmenter.Segment
	JobID        int64  // of the job that builds it, or has built it
	Stale        bool   // its inputs have changed since they were read; kept up by StaleSegments
	Bare         bool   // it was published without an engine and has no cuboids
	InputsChange int64  // the table's change when its inputs were read
	LatestChange int64  // no later change of the table is in its events
	RetireReason string // of a retired one
	RemovedUs    int64  // when its objects were deleted; 0: not yet
	ManifestSHA  string // hex SHA-256 of its manifest; "": it was published before this was kept
}

// SegmentQuery chooses segments of a cube.
type SegmentQuery struct {
	CubeID string
	States []segmenter.SegmentState // none: new and ready
	// FromUs and ToUs choose those whose measured event times intersect [FromUs, ToUs]; both 0: all. With them a segment
	// without events, or a new one, is not chosen.
	FromUs, ToUs int64
	After        int64 // only numbers above: the next page
	Limit        int   // 0: all
}

const segmentColumns = `cube_id, number, state, version, ranges, reason, replaces, job_id, id, attempt, parts, min_time_us, max_time_us,
	events, bytes, inputs_change, stale, bare, retire_reason, created_us, published_us, retired_us, removed_us, manifest_sha256, latest_change`

func scanSegment(scan func(...any) error) (s SegmentEntry, err error) {
	var state, ranges, replaces, parts string
	if err := scan(&s.CubeID, &s.Number, &state, &s.Version, &ranges, &s.Reason, &replaces, &s.JobID, &s.ID, &s.Attempt, &parts,
		&s.MinTimeUs, &s.MaxTimeUs, &s.Events, &s.Bytes, &s.InputsChange, &s.Stale, &s.Bare, &s.RetireReason,
		&s.CreatedUs, &s.PublishedUs, &s.RetiredUs, &s.RemovedUs, &s.ManifestSHA, &s.LatestChange); err != nil {
		return s, err
	}
	s.State = segmenter.SegmentState(state)
	if s.Range, err = decodeVector(ranges); err != nil {
		return s, fmt.Errorf("range of segment %d of cube %s: %w", s.Number, s.CubeID, err)
	}
	if parts != "[]" {
		err = json.Unmarshal([]byte(parts), &s.Parts)
	}
	if err == nil && replaces != "[]" {
		err = json.Unmarshal([]byte(replaces), &s.Replaces)
	}
	if err != nil {
		return s, fmt.Errorf("segment %d of cube %s: %w", s.Number, s.CubeID, err)
	}
	return s, nil
}

// decodeVector reads an empty list as nil.
func decodeVector(text string) (v segmenter.Vector, err error) {
	if text == "[]" || text == "null" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}

// Segment returns one segment of a cube, or ErrNotFound. Withdrawn ones are not kept.
func (c *Catalog) Segment(ctx context.Context, cubeID string, number int64) (s SegmentEntry, err error) {
	err = c.read(ctx, "read segment", func(t *tx) error {
		s, err = t.segment(cubeID, number)
		return err
	})
	return s, err
}

func (t *tx) segment(cubeID string, number int64) (SegmentEntry, error) {
	s, err := scanSegment(t.row(`SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND number = $2`, cubeID, number).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("segment %d of cube with id %s: %w", number, cubeID, ErrNotFound)
	}
	return s, err
}

// Segments yields segments by number, all of one state of the catalog. Choosing ready ones by time, and all live ones, costs
// the same however many are retired (C7). It holds a database connection until the loop ends. The last pair holds the
// error, if any.
func (c *Catalog) Segments(ctx context.Context, q SegmentQuery) iter.Seq2[SegmentEntry, error] {
	return func(yield func(SegmentEntry, error) bool) {
		stopped := false
		err := c.scan(ctx, "read segments of cube "+q.CubeID, func(t *tx) error {
			if err := t.wantCube(q.CubeID); err != nil {
				return err
			}
			err := t.eachSegment(q, func(s SegmentEntry) error {
				if !yield(s, nil) {
					stopped = true
					return errStop
				}
				return nil
			})
			return err
		})
		if err != nil && !stopped {
			yield(SegmentEntry{}, err)
		}
	}
}

// wantCube fails for a cube that never existed.
func (t *tx) wantCube(id string) error {
	err := t.row(`SELECT id FROM cubes WHERE id = $1`, id).Scan(new(string))
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("cube with id %s: %w", id, ErrNotFound)
	}
	return err
}

// eachSegment reads one state after the other where there is an index for it, and puts their numbers in order. With
// retired ones it goes by number alone, since they are the bulk.
func (t *tx) eachSegment(q SegmentQuery, f func(SegmentEntry) error) error {
	if len(q.States) == 0 {
		q.States = []segmenter.SegmentState{segmenter.SegmentNew, segmenter.SegmentReady}
	}
	left := q.Limit
	take := func(s SegmentEntry) error {
		if !slices.Contains(q.States, s.State) || !q.inTime(s) {
			return nil
		}
		if err := f(s); err != nil {
			return err
		}
		if left--; left == 0 {
			return errStop
		}
		return nil
	}
	if slices.Contains(q.States, segmenter.SegmentRetired) {
		err := t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			if err != nil {
				return err
			}
			return take(s)
		}, `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND number > $2 ORDER BY number`, q.CubeID, q.After)
		return notStop(err)
	}
	list, err := t.liveSegments(q)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := take(s); err != nil {
			return notStop(err)
		}
	}
	return nil
}

// notStop hides errStop where an iteration ended because it had enough.
func notStop(err error) error {
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

func (q *SegmentQuery) timed() bool { return q.FromUs != 0 || q.ToUs != 0 }

func (q *SegmentQuery) inTime(s SegmentEntry) bool {
	return !q.timed() || (s.State != segmenter.SegmentNew && s.Events > 0 && s.MaxTimeUs >= q.FromUs && s.MinTimeUs <= q.ToUs)
}

// liveSegments lists new and ready segments by number.
func (t *tx) liveSegments(q SegmentQuery) (list []SegmentEntry, err error) {
	add := func(scan func(...any) error) error {
		s, err := scanSegment(scan)
		list = append(list, s)
		return err
	}
	if slices.Contains(q.States, segmenter.SegmentReady) {
		query, args := `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND number > $2 AND state = 'ready'`, []any{q.CubeID, q.After}
		if q.timed() {
			query += ` AND max_time_us >= $3 AND min_time_us <= $4`
			args = append(args, q.FromUs, q.ToUs)
		}
		if err := t.each(add, query, args...); err != nil {
			return nil, err
		}
	}
	if slices.Contains(q.States, segmenter.SegmentNew) && !q.timed() {
		if err := t.each(add, `SELECT `+segmentColumns+` FROM segments WHERE cube_id = $1 AND number > $2 AND state = 'new'`,
			q.CubeID, q.After); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b SegmentEntry) int { return int(a.Number - b.Number) })
	return list, nil
}

// CubeSnapshot is all that a plan over a cube needs, of one state of the catalog.
type CubeSnapshot struct {
	CubeInfo
	Versions   map[int]*cube.Cube // of the live segments, and the newest
	Segments   []SegmentEntry     // new and ready, by number
	Partitions []PartitionInfo    // of its table
}

// CubeSnapshot reads a cube with its live segments. It costs what is live, whatever was retired (C7).
func (c *Catalog) CubeSnapshot(ctx context.Context, cubeID string) (s CubeSnapshot, err error) {
	err = c.read(ctx, "read snapshot of cube "+cubeID, func(t *tx) error {
		s = CubeSnapshot{Versions: make(map[int]*cube.Cube)}
		if s.CubeInfo, err = t.cubeInfo(cubeID); err != nil {
			return err
		}
		if s.Partitions, err = t.partitions(s.TableID); err != nil {
			return err
		}
		s.Versions[s.Cube.Version] = s.Cube
		return t.eachSegment(SegmentQuery{CubeID: cubeID}, func(e SegmentEntry) error {
			s.Segments = append(s.Segments, e)
			if s.Versions[e.Version] != nil {
				return nil
			}
			s.Versions[e.Version], err = t.cubeVersion(cubeID, e.Version)
			return err
		})
	})
	return s, err
}

// CubeEnds is what a cut needs of a cube: it costs what its table has of partitions, however many segments there are.
type CubeEnds struct {
	CubeInfo
	Ends       segmenter.Vector // empty ranges: where the last live segment of each partition and generation ended
	New        []SegmentEntry   // reserved and not yet published, by number
	Partitions []PartitionInfo  // of its table
}

// CubeEnds reads where the next segment of a cube starts. A generation that no live segment knows is not in Ends.
func (c *Catalog) CubeEnds(ctx context.Context, cubeID string) (e CubeEnds, err error) {
	err = c.read(ctx, "read ends of cube "+cubeID, func(t *tx) error {
		e = CubeEnds{}
		if e.CubeInfo, err = t.cubeInfo(cubeID); err != nil {
			return err
		}
		if e.Partitions, err = t.partitions(e.TableID); err != nil {
			return err
		}
		if e.New, err = t.liveSegments(SegmentQuery{CubeID: cubeID, States: []segmenter.SegmentState{segmenter.SegmentNew}}); err != nil {
			return err
		}
		e.Ends, err = t.ends(cubeID, e.TableID)
		return err
	})
	return e, err
}

// ends asks for the highest end of each kind of range: three steps into an index a line.
func (t *tx) ends(cubeID, tableID string) (v segmenter.Vector, err error) {
	highest := func(kind string) string {
		return `COALESCE((SELECT MAX(s.end_offset) FROM segment_ranges s WHERE s.cube_id = $1 AND s.kind = '` + kind + `'
			AND s.partition = l.partition AND s.generation = l.generation), -1)`
	}
	err = t.each(func(scan func(...any) error) error {
		var r segmenter.PartitionRange
		var ready, reserved, empty int64
		if err := scan(&r.Partition, &r.Generation, &ready, &reserved, &empty); err != nil {
			return err
		}
		if r.End = max(ready, reserved, empty); r.End >= 0 {
			r.Start = r.End
			v = append(v, r)
		}
		return nil
	}, `SELECT l.partition, l.generation, `+highest("ready")+`, `+highest("new")+`, `+highest("empty")+` FROM (
			SELECT partition, generation FROM generations WHERE table_id = $2
			UNION ALL SELECT partition, generation FROM partitions WHERE table_id = $2 AND begun = 1) AS l
		ORDER BY 1, 2`, cubeID, tableID)
	return v, err
}

// RetiredSegments lists segments that were retired at or before a time and whose objects are still there, the oldest
// first, at most limit of them.
func (c *Catalog) RetiredSegments(ctx context.Context, beforeUs int64, limit int) (list []SegmentEntry, err error) {
	err = c.read(ctx, "list retired segments", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			s, err := scanSegment(scan)
			list = append(list, s)
			return err
		}, `SELECT `+segmentColumns+` FROM segments WHERE state = 'retired' AND removed_us = 0 AND retired_us <= $1
			ORDER BY retired_us LIMIT $2`, beforeUs, limit)
	})
	return list, err
}

// MarkRemoved notes that the objects of retired segments of a cube are gone. One that is not retired is a *ConflictError.
func (c *Catalog) MarkRemoved(ctx context.Context, cubeID string, numbers []int64) error {
	return c.write(ctx, "note removed segments of cube "+cubeID, func(t *tx) error {
		for _, number := range numbers {
			s, err := t.segment(cubeID, number)
			if err != nil {
				return err
			}
			if s.State != segmenter.SegmentRetired {
				return &ConflictError{What: fmt.Sprintf("segment %d of cube %s", number, cubeID), Reason: "it is " + string(s.State) + ": retire it first"}
			}
			if _, err := t.exec(`UPDATE segments SET removed_us = $3 WHERE cube_id = $1 AND number = $2 AND removed_us = 0`,
				cubeID, number, now()); err != nil {
				return err
			}
		}
		return nil
	})
}
