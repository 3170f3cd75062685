package cells

import (
	"math"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

const (
	usPerSecond = int64(1e6)
	usPerDay    = 24 * 3600 * usPerSecond

	// Beyond these, some 140,000 years from 1970, a value is its own start: the calendar would leave an int64.
	maxGrainUs   = int64(1) << 62
	maxGrainDays = maxGrainUs / usPerDay
)

// grain turns timestamps (microseconds) into the start of their span in a zone, and dates (days) into the first day of
// theirs. Seconds, minutes and hours are counted on the zone's clock at that moment: the hour that comes twice when
// clocks go back is two hours. Of a day that has no midnight the start is what time.Date makes of it.
type grain struct {
	span cube.Grain
	zone *time.Location
	date bool

	lo, hi int64 // values that surely have the start found last

	zoneLo, zoneHi int64 // microseconds between which the zone is offset ahead of UTC
	offset         int64
	days           map[int64]int64 // start by local day, of days and longer
}

// start returns the start of v's span.
func (g *grain) start(v int64) int64 {
	if g.date {
		return g.firstDay(v)
	}
	if v > maxGrainUs || v < -maxGrainUs {
		g.lo, g.hi = v, v+1
		return v
	}
	if v < g.zoneLo || v >= g.zoneHi {
		g.findZone(v)
	}
	unit := g.unit()
	first := floor(v+g.offset, unit) // on the local clock
	g.lo, g.hi = max(first-g.offset, g.zoneLo), min(first-g.offset+unit, g.zoneHi)
	if unit < usPerDay {
		return first - g.offset
	}
	start, ok := g.days[first]
	if !ok {
		if g.days == nil {
			g.days = map[int64]int64{}
		}
		y, m, d := time.UnixMicro(first).UTC().Date()
		start = startOf(g.span, y, m, d, g.zone).UnixMicro()
		g.days[first] = start
	}
	return start
}

// unit returns the length of spans shorter than a day, and a day for all others.
func (g *grain) unit() int64 {
	switch g.span {
	case cube.Second:
		return usPerSecond
	case cube.Minute:
		return 60 * usPerSecond
	case cube.Hour:
		return 3600 * usPerSecond
	}
	return usPerDay
}

func floor(v, unit int64) int64 {
	r := v % unit
	if r < 0 {
		r += unit
	}
	return v - r
}

func (g *grain) findZone(v int64) {
	t := time.UnixMicro(v).In(g.zone)
	_, seconds := t.Zone()
	g.offset = int64(seconds) * usPerSecond
	g.zoneLo, g.zoneHi = math.MinInt64, math.MaxInt64
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		g.zoneLo = from.UnixMicro()
	}
	if !to.IsZero() {
		g.zoneHi = to.UnixMicro()
	}
}

// firstDay returns the first day of the span of a date.
func (g *grain) firstDay(v int64) int64 {
	g.lo, g.hi = v, v+1
	if v > maxGrainDays || v < -maxGrainDays {
		return v
	}
	start, ok := g.days[v]
	if !ok {
		if g.days == nil {
			g.days = map[int64]int64{}
		}
		y, m, d := time.Unix(v*24*3600, 0).UTC().Date()
		start = startOf(g.span, y, m, d, time.UTC).Unix() / (24 * 3600)
		g.days[v] = start
	}
	return start
}

// startOf returns the midnight with which the span of a day begins.
func startOf(span cube.Grain, y int, m time.Month, d int, zone *time.Location) time.Time {
	switch span {
	case cube.Week:
		weekday := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday())
		d -= (weekday + 6) % 7
	case cube.Month:
		d = 1
	case cube.Quarter:
		m, d = m-(m-1)%3, 1
	case cube.Year:
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}
