package segmenter

import (
	"errors"
	"fmt"
)

// SegmentState says whether a segment answers queries.
type SegmentState string

// The states of a segment.
const (
	SegmentNew     SegmentState = "new"     // reserved; a job builds it
	SegmentReady   SegmentState = "ready"   // published; it answers
	SegmentRetired SegmentState = "retired" // replaced, expired or dropped; its files go after a grace period
)

// Segment is an offset range vector of a cube, and what is known of it. Times are in microseconds since 1970.
type Segment struct {
	CubeID  string        `json:"cube_id"`
	Number  int64         `json:"number"`  // given by the catalog at reservation: what jobs and requests name
	ID      string        `json:"id"`      // hash of its inputs (Manifest.ContentID); empty while new
	Attempt int64         `json:"attempt"` // of the published folder: the epoch of the job that wrote it
	State   SegmentState  `json:"state"`
	Version int           `json:"version"` // of the cube's definition
	Range   Vector        `json:"range"`
	Parts   []PartMeasure `json:"parts"`  // one per line of Range, in its order; none while new
	Events  int64         `json:"events"` // over all parts, as are the times

	MinTimeUs int64 `json:"min_time_us"` // measured, closed; 0 when Events is 0
	MaxTimeUs int64 `json:"max_time_us"`
	Bytes     int64 `json:"bytes"` // of its own files

	Replaces []int64 `json:"replaces,omitempty"` // numbers of the ready segments that its publication retires
	Reason   string  `json:"reason"`             // why it was cut

	CreatedUs   int64 `json:"created_us"`
	PublishedUs int64 `json:"published_us"` // 0: not yet
	RetiredUs   int64 `json:"retired_us"`   // 0: not yet
}

// Live reports whether the segment's offsets are taken: another one over them must name it as replaced (S8).
func (s Segment) Live() bool { return s.State == SegmentNew || s.State == SegmentReady }

// Measure is what was found in a range of offsets. Event times are closed, [MinTimeUs, MaxTimeUs], and mean nothing
// where Events is 0.
type Measure struct {
	Events      int64 `json:"events"`
	Gaps        int64 `json:"gaps"`        // offsets that will never come
	Quarantined int64 `json:"quarantined"` // offsets that are kept unread
	Skipped     int64 `json:"skipped"`     // offsets that a person or a policy left out
	Lost        int64 `json:"lost"`        // offsets that the broker removed before they were read
	MinTimeUs   int64 `json:"min_time_us"`
	MaxTimeUs   int64 `json:"max_time_us"`
}

// PartMeasure is the Measure of one line of a segment's range.
type PartMeasure struct {
	Partition  int32 `json:"partition"`
	Generation int32 `json:"generation"`
	Measure
}

// Offsets returns the number of offsets that m names. It is the length of the measured range (S9).
func (m Measure) Offsets() int64 { return m.Events + m.Gaps + m.Quarantined + m.Skipped + m.Lost }

// Add returns the Measure of two disjoint ranges.
func (m Measure) Add(o Measure) Measure {
	switch {
	case o.Events == 0:
	case m.Events == 0:
		m.MinTimeUs, m.MaxTimeUs = o.MinTimeUs, o.MaxTimeUs
	default:
		m.MinTimeUs, m.MaxTimeUs = min(m.MinTimeUs, o.MinTimeUs), max(m.MaxTimeUs, o.MaxTimeUs)
	}
	m.Events += o.Events
	m.Gaps += o.Gaps
	m.Quarantined += o.Quarantined
	m.Skipped += o.Skipped
	m.Lost += o.Lost
	return m
}

// Validate reports counts below 0 and times in the wrong order.
func (m Measure) Validate() error {
	if min(m.Events, m.Gaps, m.Quarantined, m.Skipped, m.Lost) < 0 {
		return fmt.Errorf("a count is negative: %d events, %d gaps, %d quarantined, %d skipped, %d lost",
			m.Events, m.Gaps, m.Quarantined, m.Skipped, m.Lost)
	}
	if max(m.Events, m.Gaps, m.Quarantined, m.Skipped, m.Lost) > 1<<60 {
		return fmt.Errorf("a count is above 2^60: no partition has so many offsets")
	}
	if m.Events > 0 && m.MinTimeUs > m.MaxTimeUs {
		return fmt.Errorf("lowest event time %d us is above the highest, %d us", m.MinTimeUs, m.MaxTimeUs)
	}
	if m.Events == 0 && (m.MinTimeUs != 0 || m.MaxTimeUs != 0) {
		return fmt.Errorf("event times [%d, %d] us of no events: want 0", m.MinTimeUs, m.MaxTimeUs)
	}
	return nil
}

// MeasureRow returns the Measure of r's offsets that lie in ledger row. It is exact where the whole row or no staged
// event of it lies in r; else the events are those of the offsets (S4) but the times are the row's, which may be wider.
func MeasureRow(row LedgerRow, r PartitionRange) Measure {
	if !row.Range.Overlaps(r) {
		return Measure{}
	}
	start, end := max(row.Range.Start, r.Start), min(row.Range.End, r.End)
	switch row.State {
	case Skipped:
		return Measure{Skipped: end - start}
	case Lost:
		return Measure{Lost: end - start}
	}
	cut := row.Exceptions.Clip(start, end)
	m := Measure{Gaps: cut.Count(Gap), Quarantined: cut.Count(Quarantined)}
	m.Events = end - start - cut.Total()
	if m.Events > 0 {
		m.MinTimeUs, m.MaxTimeUs = row.MinTimeUs, row.MaxTimeUs
	}
	return m
}

// SumParts returns the Measure of all parts together.
func SumParts(parts []PartMeasure) (sum Measure) {
	for _, p := range parts {
		sum = sum.Add(p.Measure)
	}
	return sum
}

// checkParts returns the sum of parts, which must name every offset of v, line by line (S9).
func checkParts(v Vector, parts []PartMeasure) (sum Measure, err error) {
	if len(parts) != len(v) {
		return Measure{}, fmt.Errorf("%d parts of a range of %d lines", len(parts), len(v))
	}
	var errs []error
	for i, p := range parts {
		r := v[i]
		if p.Partition != r.Partition || p.Generation != r.Generation {
			errs = append(errs, fmt.Errorf("part %d is of p%d.g%d, the range of %s", i, p.Partition, p.Generation, r))
			continue
		}
		if err := p.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("part %s: %w", r, err))
		} else if got, want := p.Offsets(), r.Len(); got != want {
			errs = append(errs, fmt.Errorf("part %s names %d offsets of %d (S9)", r, got, want))
		}
		sum = sum.Add(p.Measure)
	}
	return sum, errors.Join(errs...)
}

// Validate joins what breaks S5, S7 and S9, and what no state may have.
func (s Segment) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := s.Range.Validate(); err != nil {
		errs = append(errs, err)
	} else if s.Range.Empty() {
		add("the range %s holds no offset", s.Range)
	}
	if s.CubeID == "" || s.Number <= 0 || s.Version <= 0 {
		add("cube %q, number %d, version %d: want a cube and numbers above 0", s.CubeID, s.Number, s.Version)
	}
	switch s.State {
	case SegmentNew:
		if s.ID != "" || len(s.Parts) > 0 || s.Events != 0 {
			add("a new segment has an id or measures already")
		}
	case SegmentReady, SegmentRetired:
		if len(s.Parts) == 0 && s.ID == "" && s.State == SegmentRetired {
			break // withdrawn before it was built
		}
		if !isHash(s.ID) {
			add("id %q of a %s segment: want 64 hex digits", s.ID, s.State)
		}
		if sum, err := checkParts(s.Range, s.Parts); err != nil {
			errs = append(errs, err)
		} else if sum.Events != s.Events || sum.MinTimeUs != s.MinTimeUs || sum.MaxTimeUs != s.MaxTimeUs {
			add("the parts have %d events of [%d, %d] us, the segment says %d of [%d, %d]",
				sum.Events, sum.MinTimeUs, sum.MaxTimeUs, s.Events, s.MinTimeUs, s.MaxTimeUs)
		}
	default:
		add("state %q: want new, ready or retired", s.State)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("segment %d of cube %s: %w", s.Number, s.CubeID, errors.Join(errs...))
}
