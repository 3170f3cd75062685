package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Reservation asks for a segment and the job that will build it.
type Reservation struct {
	CubeID   string
	Version  int // of the cube's definition; 0: the newest
	Range    segmenter.Vector
	Reason   string  // why it is cut
	Replaces []int64 // ready segments that its publication retires; together they hold the offsets of Range, each once
	// Revision is the cube's when this was planned: a cube that has changed since is a *ConflictError. 0: whatever it is.
	Revision int64

	JobKind     string          // "build", "refresh", "merge", "fill"
	Priority    int             // lower goes first
	Spec        json.RawMessage // what the job's body needs besides; may be nil
	SubmittedBy string

	Idempotency Idempotency // the same request again gets the same answer
}

// reserved is the answer to a reservation.
type reserved struct {
	Segment SegmentEntry
	Job     Job
}

// Reserve inserts a new segment and its pending job in one transaction (I7). A range that overlaps another new segment, or a
// ready one that it does not replace, is an *OverlapError (S1); replaced segments that are not ready, or do not hold exactly
// the range's offsets, are a *ConflictError.
func (c *Catalog) Reserve(ctx context.Context, r Reservation) (SegmentEntry, Job, error) {
	if err := r.check(); err != nil {
		return SegmentEntry{}, Job{}, fmt.Errorf("catalog: reserve %s of cube %s: %w", r.Range, r.CubeID, err)
	}
	var done reserved
	err := c.write(ctx, fmt.Sprintf("reserve %s of cube %s", r.Range, r.CubeID), func(t *tx) error {
		done = reserved{}
		cube, err := t.lockCube(r.CubeID)
		if err != nil {
			return err
		}
		found, err := t.answer(r.Idempotency, &done)
		if err != nil || found {
			return err
		}
		if err := cube.unchangedSince(r.Revision); err != nil {
			return err
		}
		if err := t.mayReserve(cube, &r); err != nil {
			return err
		}
		if done, err = t.reserve(cube, r); err != nil {
			return err
		}
		return t.keepAnswer(r.Idempotency, done)
	})
	if err != nil {
		return SegmentEntry{}, Job{}, err
	}
	return done.Segment, done.Job, nil
}

// unchangedSince refuses a plan that was made of another revision; 0 is any.
func (r *cubeRow) unchangedSince(revision int64) error {
	if revision == 0 || revision == r.revision {
		return nil
	}
	return &ConflictError{What: r.String(), Reason: fmt.Sprintf(
		"it has changed since this was planned (revision %d, planned at %d): plan again", r.revision, revision)}
}

func (r *Reservation) check() error {
	if err := r.Range.Validate(); err != nil {
		return err
	}
	switch {
	case r.Range.Len() == 0:
		return errors.New("the range holds no offset: there is nothing to build")
	case r.JobKind == "":
		return errors.New("the kind of its job is missing")
	case r.Version < 0:
		return fmt.Errorf("version %d of the definition: want one from 1, or 0 for the newest", r.Version)
	case len(r.Spec) > 0 && !json.Valid(r.Spec):
		return errors.New("the spec of its job is not JSON")
	}
	slices.Sort(r.Replaces)
	if len(slices.Compact(slices.Clone(r.Replaces))) != len(r.Replaces) {
		return fmt.Errorf("replaces %v: a segment is named twice", r.Replaces)
	}
	if r.Idempotency.Key != "" && r.Idempotency.Request == "" {
		bare := *r
		bare.Revision, bare.Idempotency = 0, Idempotency{}
		text, err := json.Marshal(bare)
		if err != nil {
			return err
		}
		r.Idempotency.Request = string(text)
	}
	return nil
}

// mayReserve refuses what contradicts the cube as it stands. It fills in the version, and the front that the cube then has.
func (t *tx) mayReserve(cube *cubeRow, r *Reservation) error {
	if r.Version == 0 {
		r.Version = cube.version
	}
	if r.Version > cube.version {
		return fmt.Errorf("%s, version %d: %w", cube, r.Version, ErrNotFound)
	}
	parts, err := t.partsOf(cube)
	if err != nil {
		return err
	}
	if err := checkLines(cube, parts, r.Range); err != nil {
		return err
	}
	if err := t.checkReplaced(cube, r); err != nil {
		return err
	}
	for _, line := range r.Range {
		if line.Empty() {
			continue
		}
		for kind, free := range map[string][]int64{kindReady: r.Replaces, kindNew: nil} {
			// At most the replaced ones and one more need be seen.
			over, err := t.overlapping(cube.id, kind, line, len(free)+1)
			if err != nil {
				return err
			}
			for _, o := range over {
				if !slices.Contains(free, o.number) {
					return &OverlapError{CubeID: cube.id, Range: line, Number: o.number, State: segmenter.SegmentState(kind), Has: o.Range}
				}
			}
		}
	}
	if len(cube.settled) == 0 {
		cube.settled = cube.front // of two reservations neither can take back that the cube has begun
	}
	cube.front = segmenter.LowerFront(cube.front, r.Range, generationsOf(parts))
	return nil
}

// checkLines refuses offsets that cannot be in the table: of a partition or generation that does not exist, before its
// first offset, or behind the end of a closed one. The open one may grow.
func checkLines(cube *cubeRow, parts []PartitionInfo, v segmenter.Vector) error {
	for _, r := range v {
		if r.Empty() {
			continue
		}
		g, err := findLine(cube, parts, r)
		if err != nil {
			return err
		}
		if r.Start < g.Start || (g.Closed && r.End > g.End) {
			end := fmt.Sprint(g.End)
			if !g.Closed {
				end = ""
			}
			return &ConflictError{What: cube.String(), Reason: fmt.Sprintf(
				"%s reaches out of what its table has: want offsets in [%d,%s)", r, g.Start, end)}
		}
	}
	return nil
}

func findLine(cube *cubeRow, parts []PartitionInfo, r segmenter.PartitionRange) (GenerationInfo, error) {
	for _, p := range parts {
		if p.Partition != r.Partition {
			continue
		}
		for _, g := range p.Generations {
			if g.SameLine(r) {
				return g, nil
			}
		}
		return GenerationInfo{}, fmt.Errorf("%s: partition %d of its table has no generation %d that has begun: %w", cube, r.Partition, r.Generation, ErrNotFound)
	}
	return GenerationInfo{}, fmt.Errorf("%s: its table has no partition %d: %w", cube, r.Partition, ErrNotFound)
}

// checkReplaced wants the replaced segments ready and together exactly the range. Ready ones do not overlap (S1), so that it
// is enough that each lies inside and that they have as many offsets.
func (t *tx) checkReplaced(cube *cubeRow, r *Reservation) error {
	if len(r.Replaces) == 0 {
		return nil
	}
	left := r.Range.Len()
	for _, number := range r.Replaces {
		s, err := t.segment(cube.id, number)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s, segment %d", cube, number)
		if s.State != segmenter.SegmentReady {
			return &ConflictError{What: what, Reason: "it is " + string(s.State) + " and cannot be replaced: want a ready one"}
		}
		for _, line := range s.Range {
			if !line.Empty() && !inside(line, r.Range) {
				return &ConflictError{What: what, Reason: fmt.Sprintf("its %s reaches out of the range %s that replaces it", line, r.Range)}
			}
		}
		left -= s.Range.Len()
	}
	if left != 0 {
		return &ConflictError{What: cube.String(), Reason: fmt.Sprintf(
			"segments %v do not hold %d offsets of %s: build the missing ones first, or name all segments of the range", r.Replaces, left, r.Range)}
	}
	return nil
}

func inside(line segmenter.PartitionRange, v segmenter.Vector) bool {
	return slices.ContainsFunc(v, func(r segmenter.PartitionRange) bool {
		return r.SameLine(line) && r.Start <= line.Start && line.End <= r.End
	})
}

// reserve inserts the rows. The cube is locked and all is checked.
func (t *tx) reserve(cube *cubeRow, r Reservation) (reserved, error) {
	var done reserved
	var rev int64
	j := &done.Job
	if err := t.row(`UPDATE catalog SET next_id = next_id + 1, cubes_revision = cubes_revision + 1 WHERE one = 1
		RETURNING next_id - 1, cubes_revision`).Scan(&j.ID, &rev); err != nil {
		return done, err
	}
	at := now()
	s := &done.Segment
	*s = SegmentEntry{JobID: j.ID, Segment: segmenter.Segment{
		CubeID: cube.id, Number: cube.nextSegment, State: segmenter.SegmentNew, Version: r.Version,
		Range: r.Range, Replaces: r.Replaces, Reason: r.Reason, CreatedUs: at,
	}}
	*j = Job{
		ID: j.ID, CubeID: cube.id, Segment: s.Number, Kind: r.JobKind, State: JobPending, Reserved: true,
		Priority: r.Priority, Spec: r.Spec, SubmittedBy: r.SubmittedBy, CreatedUs: at,
	}
	front, settled, err := cube.fronts()
	if err != nil {
		return done, err
	}
	if _, err := t.exec(`UPDATE cubes SET next_segment = next_segment + 1, revision = $2, start_ranges = $3, settled_ranges = $4 WHERE id = $1`,
		cube.id, rev, front, settled); err != nil {
		return done, err
	}
	cube.nextSegment++
	ranges, err := json.Marshal(r.Range)
	if err != nil {
		return done, err
	}
	replaces, err := json.Marshal(append([]int64{}, r.Replaces...))
	if err != nil {
		return done, err
	}
	if _, err := t.exec(`INSERT INTO segments (cube_id, number, state, version, ranges, reason, replaces, job_id, created_us, revision)
		VALUES ($1, $2, 'new', $3, $4, $5, $6, $7, $8, $9)`,
		cube.id, s.Number, s.Version, string(ranges), s.Reason, string(replaces), j.ID, at, rev); err != nil {
		return done, err
	}
	if err := t.addRanges(*s, kindNew); err != nil {
		return done, err
	}
	spec := string(r.Spec)
	if spec == "" {
		spec = "null"
	}
	_, err = t.exec(`INSERT INTO jobs (id, cube_id, segment, kind, state, priority, spec, submitted_by, created_us)
		VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8)`, j.ID, cube.id, s.Number, j.Kind, j.Priority, spec, j.SubmittedBy, at)
	return done, err
}

// addRanges stores the ranges of a live segment.
func (t *tx) addRanges(s SegmentEntry, kind string) error {
	for _, line := range s.Range {
		kind := kind
		if line.Empty() {
			kind = kindEmpty
		}
		if _, err := t.exec(`INSERT INTO segment_ranges (cube_id, kind, partition, generation, end_offset, number, start_offset)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, s.CubeID, kind, line.Partition, line.Generation, line.End, s.Number, line.Start); err != nil {
			return err
		}
	}
	return nil
}

// The kinds of segment_ranges.
const (
	kindReady = string(segmenter.SegmentReady)
	kindNew   = string(segmenter.SegmentNew)
	kindEmpty = "empty"
)

// rangeRow is a row of segment_ranges.
type rangeRow struct {
	number int64
	Range  segmenter.PartitionRange
}

// overlapping lists up to limit ranges of one kind that overlap r. Ranges of a kind do not overlap each other (S1), so that
// it reads one row more than it finds at most.
func (t *tx) overlapping(cubeID, kind string, r segmenter.PartitionRange, limit int) (list []rangeRow, err error) {
	err = t.each(func(scan func(...any) error) error {
		o := rangeRow{Range: r}
		if err := scan(&o.number, &o.Range.Start, &o.Range.End); err != nil {
			return err
		}
		if o.Range.Start >= r.End {
			return errStop
		}
		list = append(list, o)
		return nil
	}, `SELECT number, start_offset, end_offset FROM segment_ranges
		WHERE cube_id = $1 AND kind = $2 AND partition = $3 AND generation = $4 AND end_offset > $5
		ORDER BY end_offset LIMIT $6`, cubeID, kind, r.Partition, r.Generation, r.Start, limit)
	return list, notStop(err)
}
