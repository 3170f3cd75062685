package plan

import (
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

const (
	usPerSecond = int64(1e6)
	usPerMinute = 60 * usPerSecond
	usPerHour   = 60 * usPerMinute
	usPerDay    = 24 * usPerHour
	usPerWeek   = 7 * usPerDay

	// Beyond these, some 140,000 years from 1970, every time is a span of its own: the calendar would leave an int64.
	maxStepUs = int64(1) << 62

	// monday is the start of a week.
	monday = -3 * usPerDay
)

// Step divides times into spans, without gaps. The zero Step has a span for each microsecond.
type Step struct {
	Us     int64          // length of a span in microseconds
	Months int            // length of a span in months
	From   int64          // a start: microseconds since 1970, or of months their number since 1970
	Grain  cube.Grain     // of a calendar in Zone; Us and Months are 0 then
	Zone   *time.Location // not UTC
}

// stepOf returns the step of a grain in a zone.
func stepOf(g cube.Grain, zone *time.Location) Step {
	if g == "" {
		return Step{}
	}
	if zone != nil && zone != time.UTC && zone.String() != "UTC" {
		return Step{Grain: g, Zone: zone}
	}
	switch g {
	case cube.Second:
		return Step{Us: usPerSecond}
	case cube.Minute:
		return Step{Us: usPerMinute}
	case cube.Hour:
		return Step{Us: usPerHour}
	case cube.Day:
		return Step{Us: usPerDay}
	case cube.Week:
		return Step{Us: usPerWeek, From: monday}
	case cube.Month:
		return Step{Months: 1}
	case cube.Quarter:
		return Step{Months: 3}
	}
	return Step{Months: 12}
}

// buckets returns the step of spans of some microseconds, one of which begins at origin.
func buckets(us, origin int64) Step { return Step{Us: us, From: floorMod(origin, us)} }

func (s Step) whole() bool { return s == Step{} }

// Start returns where the span that holds a time begins. It is the value that cells keep of a dimension with a grain.
func (s Step) Start(us int64) int64 {
	switch {
	case s.whole() || us > maxStepUs || us < -maxStepUs:
		return us
	case s.Us > 0:
		return us - floorMod(us-s.From, s.Us)
	case s.Months > 0:
		y, m, _ := time.UnixMicro(us).UTC().Date()
		at := int64(y-1970)*12 + int64(m-1)
		return monthStart(at - floorMod(at-s.From, int64(s.Months)))
	}
	return s.zoneStart(us)
}

// next returns where the span after the one that holds a time begins.
func (s Step) next(us int64) int64 {
	switch {
	case s.whole() || us > maxStepUs-400*usPerDay || us < -maxStepUs:
		return us + 1
	case s.Us > 0:
		return s.Start(us) + s.Us
	case s.Months > 0:
		y, m, _ := time.UnixMicro(us).UTC().Date()
		at := int64(y-1970)*12 + int64(m-1)
		return monthStart(at - floorMod(at-s.From, int64(s.Months)) + int64(s.Months))
	}
	return s.zoneNext(us)
}

// cuts reports whether, for all times, one lies before c just when the start of its span does.
func (s Step) cuts(c int64) bool { return s.Start(c) == c && s.Start(c-1) < c }

// around returns the smallest range around c between two such times.
func (s Step) around(c int64) Range {
	lo, hi := c, c
	for !s.cuts(lo) {
		lo = min(s.Start(lo), lo-1)
	}
	if hi == lo {
		hi = s.next(hi)
	}
	for !s.cuts(hi) {
		hi = s.next(hi)
	}
	return Range{lo, hi - 1}
}

// zoneStart is what cells make of a grain in a zone.
func (s Step) zoneStart(us int64) int64 {
	unit := stepOf(s.Grain, nil).Us
	if s.Grain != cube.Second && s.Grain != cube.Minute && s.Grain != cube.Hour {
		return s.day(us, 0)
	}
	t := time.UnixMicro(us).In(s.Zone)
	_, seconds := t.Zone()
	offset := int64(seconds) * usPerSecond
	return us - floorMod(us+offset, unit)
}

func (s Step) zoneNext(us int64) int64 {
	switch s.Grain {
	case cube.Second, cube.Minute, cube.Hour:
		next := s.zoneStart(us) + stepOf(s.Grain, nil).Us
		if _, to := time.UnixMicro(us).In(s.Zone).ZoneBounds(); !to.IsZero() {
			next = min(next, to.UnixMicro())
		}
		return max(next, us+1)
	}
	return max(s.day(us, 1), us+1)
}

// day returns the midnight with which the span of a time begins, or one some spans later.
func (s Step) day(us int64, later int) int64 {
	y, m, d := time.UnixMicro(us).In(s.Zone).Date()
	switch s.Grain {
	case cube.Day:
		d += later
	case cube.Week:
		weekday := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday())
		d += 7*later - (weekday+6)%7
	case cube.Month:
		m, d = m+time.Month(later), 1
	case cube.Quarter:
		m, d = m-(m-1)%3+time.Month(3*later), 1
	case cube.Year:
		y, m, d = y+later, time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, s.Zone).UnixMicro()
}

// divides reports whether every span of s lies within one of o and holds its own start, for times in within.
func (s Step) divides(o Step, within Range) bool {
	if s == o || s.whole() {
		return true
	}
	if s.Zone != nil && o.Zone != nil && s.Zone.String() == o.Zone.String() && inGrain(s.Grain, o.Grain) {
		return sameClock(s.Zone, stepOf(cube.Hour, nil).Us, within) // else a start may lie outside of its span
	}
	s, ok := s.plain(within)
	if !ok {
		return false
	}
	days := o
	if o, ok = o.plain(within); !ok {
		return days.Zone != nil && s.Us > 0 && days.midnights(s, within)
	}
	switch {
	case s.Us > 0 && o.Us > 0:
		return o.Us%s.Us == 0 && floorMod(o.From-s.From, s.Us) == 0
	case s.Us > 0 && o.Months > 0:
		return usPerDay%s.Us == 0 && floorMod(s.From, s.Us) == 0
	case s.Months > 0 && o.Months > 0:
		return o.Months%s.Months == 0 && floorMod(o.From-s.From, int64(s.Months)) == 0
	}
	return false
}

// midnights reports whether the days of s, which has a zone, begin where spans of fine do.
func (s Step) midnights(fine Step, within Range) bool {
	if usPerDay%fine.Us != 0 || !sameClock(s.Zone, fine.Us, within) {
		return false
	}
	_, seconds := time.UnixMicro(within.Lo).In(s.Zone).Zone()
	return floorMod(-int64(seconds)*usPerSecond-fine.From, fine.Us) == 0
}

// plain returns the step without a zone that is the same for times in within.
func (s Step) plain(within Range) (_ Step, ok bool) {
	if s.Zone == nil {
		return s, !s.whole()
	}
	switch s.Grain {
	case cube.Second, cube.Minute, cube.Hour:
		unit := stepOf(s.Grain, nil).Us
		if !sameClock(s.Zone, unit, within) {
			return s, false
		}
		_, seconds := time.UnixMicro(within.Lo).In(s.Zone).Zone()
		return buckets(unit, -int64(seconds)*usPerSecond), true
	}
	return s, false
}

// sameClock reports whether the zone's offsets from UTC differ by whole units only, for times in within.
func sameClock(zone *time.Location, unit int64, within Range) bool {
	const maxChanges = 10_000 // of clocks; twice a year is 200 in a century
	if within.Empty() || within.Lo < -maxStepUs || within.Hi > maxStepUs {
		return false
	}
	at := time.UnixMicro(within.Lo).In(zone)
	_, first := at.Zone()
	for range maxChanges {
		_, to := at.ZoneBounds()
		if to.IsZero() || to.UnixMicro() > within.Hi {
			return true
		}
		at = to
		if _, seconds := at.Zone(); int64(seconds-first)*usPerSecond%unit != 0 {
			return false
		}
	}
	return false
}

// inGrain reports whether the spans of fine lie within those of coarse, in one zone.
func inGrain(fine, coarse cube.Grain) bool {
	order := []cube.Grain{cube.Second, cube.Minute, cube.Hour, cube.Day, cube.Month, cube.Quarter, cube.Year}
	at := func(g cube.Grain) int {
		for i, o := range order {
			if o == g {
				return i
			}
		}
		return -1 // a week
	}
	switch {
	case fine == cube.Week:
		return coarse == cube.Week
	case coarse == cube.Week:
		return at(fine) <= at(cube.Day)
	}
	return at(fine) <= at(coarse)
}

// String returns hour, day in Europe/Berlin, or 15m from 1970-01-01T00:00:00.
func (s Step) String() string {
	switch {
	case s.whole():
		return "microsecond"
	case s.Zone != nil:
		return fmt.Sprintf("%s in %s", s.Grain, s.Zone)
	}
	for _, g := range []cube.Grain{cube.Second, cube.Minute, cube.Hour, cube.Day, cube.Week, cube.Month, cube.Quarter, cube.Year} {
		if o := stepOf(g, nil); s == o || o.Us > 0 && s.Us == o.Us && floorMod(s.From-o.From, s.Us) == 0 {
			return string(g)
		}
	}
	if s.Months > 0 {
		return fmt.Sprintf("%d months from %s", s.Months, timeText(monthStart(s.From)))
	}
	return fmt.Sprintf("%s from %s", time.Duration(s.Us)*time.Microsecond, timeText(s.From))
}

// monthStart returns the start of a month by its number since January 1970.
func monthStart(n int64) int64 {
	return time.Date(1970, time.January+time.Month(n), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
}

// floorMod returns the remainder of a by b that is not below zero.
func floorMod(a, b int64) int64 {
	r := a % b
	if r < 0 {
		r += b
	}
	return r
}
