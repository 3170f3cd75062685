package cube

import (
	"slices"
	"time"
)

// Defaults of a table's settings.
const (
	defaultProject     = "default"
	defaultLateness    = 10 * time.Minute
	defaultMaxAhead    = 24 * time.Hour
	defaultRollBytes   = 64 << 20
	defaultRollRows    = 1_000_000
	defaultRollAge     = time.Minute
	defaultMaxShare    = 1.0
	defaultWindow      = 10_000
	defaultRecordBytes = 16 << 20

	startEarliest = "earliest"
	startLatest   = "latest"
	startTime     = "time"
)

func defaultEarliest() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
func defaultLatest() time.Time   { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }

// WithDefaults returns a copy of t in which every setting that is zero has its default, times are in UTC and paths in
// their shortest notation. It shares no memory with t.
func (t *Table) WithDefaults() *Table {
	c := *t
	c.Notify, c.Columns = slices.Clone(t.Notify), slices.Clone(t.Columns)
	fill(&c.Project, defaultProject)
	fill(&c.Start.At, startEarliest)
	c.Start.Time = c.Start.Time.UTC()
	c.EventTime = t.EventTime.withDefaults()
	for i := range c.Columns {
		c.Columns[i] = c.Columns[i].withDefaults()
	}
	fill(&c.Staging.Format, Parquet)
	fill(&c.Staging.RollBytes, defaultRollBytes)
	fill(&c.Staging.RollRows, defaultRollRows)
	fill(&c.Staging.RollAge, defaultRollAge)
	fill(&c.Quarantine.MaxShare, defaultMaxShare)
	fill(&c.Quarantine.Window, defaultWindow)
	fill(&c.Quarantine.MaxRecordBytes, defaultRecordBytes)
	fill(&c.OnLoss, LossStop)
	return &c
}

func (e EventTime) withDefaults() EventTime {
	fill(&e.Lateness, defaultLateness)
	fill(&e.MaxAhead, defaultMaxAhead)
	e.Earliest, e.Latest = e.Earliest.UTC(), e.Latest.UTC()
	if e.Earliest.IsZero() {
		e.Earliest = defaultEarliest()
	}
	if e.Latest.IsZero() {
		e.Latest = defaultLatest()
	}
	return e
}

func (c Column) withDefaults() Column {
	fill(&c.Path, c.Name)
	if p, err := ParsePath(c.Path); err == nil {
		c.Path = p.String()
	}
	fill(&c.Null, NullKeep)
	c.Type = c.Type.withDefaults()
	return c
}

func fill[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}
