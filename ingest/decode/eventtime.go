package decode

import (
	"fmt"
	"math"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// timeRule is the table's rule for event times (D6).
type timeRule struct {
	at       int // index of the column
	date     bool
	earliest int64 // us, inclusive
	latest   int64 // us, exclusive
	aheadMs  int64
	column   *column
}

const usPerDay = 24 * 3600 * 1e6

func newTimeRule(t *cube.Table, columns []*column) (timeRule, error) {
	e := t.EventTime
	r := timeRule{earliest: e.Earliest.UnixMicro(), latest: e.Latest.UnixMicro(), aheadMs: e.MaxAhead.Milliseconds()}
	for _, c := range columns {
		if c.name != e.Column {
			continue
		}
		if c.typ.Kind != cube.Timestamp && c.typ.Kind != cube.Date {
			return r, fmt.Errorf("event time: column %s is %s: it must be a timestamp or a date", c.name, c.typ.Kind)
		}
		r.at, r.column, r.date = c.at, c, c.typ.Kind == cube.Date
		return r, nil
	}
	return r, fmt.Errorf("event time: no column is called %q", e.Column)
}

// of returns the event time of row n.
func (t *timeRule) of(c *stage.Chunk, n int) int64 {
	us := c.Columns[t.at].Ints[n]
	if t.date {
		us *= usPerDay
	}
	return us
}

func (t *timeRule) possible(us, recordMs int64) bool {
	if us < t.earliest || us >= t.latest {
		return false
	}
	// In milliseconds, rounded so that exactly MaxAhead is still possible; this cannot overflow.
	return recordMs < 0 || recordMs > math.MaxInt64-t.aheadMs || ceilMs(us) <= recordMs+t.aheadMs
}

func ceilMs(us int64) int64 {
	ms := us / 1000
	if us%1000 > 0 {
		ms++
	}
	return ms
}

// refusal words why the event time of the value at raw is not possible.
func (t *timeRule) refusal(us, recordMs int64, text []byte, quoted bool) *BadRecord {
	at := time.UnixMicro(us).UTC().Format(time.RFC3339)
	how := "correct the producer's clock, or event_time.earliest, latest and max_ahead of the table"
	if hint := t.otherUnit(text, recordMs); hint != "" {
		how = hint
	}
	read := excerpt(text, quoted)
	if t.column.parser == asEpoch {
		read += " read as " + t.column.typ.Format
	}
	var limit string
	switch {
	case us < t.earliest:
		limit = "before the earliest possible time " + time.UnixMicro(t.earliest).UTC().Format(time.RFC3339)
	case us >= t.latest:
		limit = "not before the end of possible times " + time.UnixMicro(t.latest).UTC().Format(time.RFC3339)
	default:
		limit = fmt.Sprintf("more than %s after the record's timestamp %s", time.Duration(t.aheadMs)*time.Millisecond,
			time.UnixMilli(recordMs).UTC().Format(time.RFC3339))
	}
	return badf(EventTimeRange, 0, "%s is %s, %s: %s", read, at, limit, how)
}

// otherUnit says in which unit an epoch timestamp would be possible; empty if in none.
func (t *timeRule) otherUnit(text []byte, recordMs int64) string {
	if t.column.parser != asEpoch {
		return ""
	}
	dec, _, fits := parseDecimal(text)
	if !fits {
		return ""
	}
	for _, unit := range [...]struct{ format, name string }{
		{"s", "seconds"}, {"ms", "milliseconds"}, {"us", "microseconds"}, {"ns", "nanoseconds"},
	} {
		if us, ok := dec.floor(epochScale(unit.format)); ok && t.possible(us, recordMs) {
			return fmt.Sprintf("the values look like %s; use timestamp(%s)", unit.name, unit.format)
		}
	}
	return ""
}
