package plan

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Cron is a time table of five fields, as cron(5) has it: minute, hour, day of month, month, day of week, in a time zone.
// A field is *, a number, a range a-b, a step */n or a-b/n, or a list of these; months and days of the week have their
// English names of three letters too, and Sunday is 0 or 7. When both days are restricted, either is enough.
//
// Where clocks change: a table whose hour is * follows the time that passes, so that in the hour that comes twice it fires
// twice, and in the one that is left out not at all. Any other table follows the day: a time that comes twice fires at
// the first, and one that is left out fires once, when the clocks have changed.
type Cron struct {
	spec                         string
	zone                         *time.Location
	minutes, hours, days, months uint64
	weekdays                     uint64
	anyHour, anyDay, anyWeekday  bool
}

// cronYears is how far ahead a time table is looked through: 29 February comes after at most eight years.
const cronYears = 9

// ParseCron reads a time table. A table that never fires is refused. Loading the zone by its name is the caller's.
func ParseCron(spec string, zone *time.Location) (Cron, error) {
	c := Cron{spec: strings.Join(strings.Fields(spec), " "), zone: zone}
	bad := func(format string, args ...any) (Cron, error) {
		return Cron{}, fmt.Errorf("cron %q: %s", spec, fmt.Sprintf(format, args...))
	}
	if zone == nil {
		return bad("no time zone")
	}
	f := strings.Fields(strings.ToLower(spec))
	if len(f) != 5 {
		return bad("%d fields: write minute, hour, day of month, month, day of week, such as \"0 * * * *\"", len(f))
	}
	for i, x := range []struct {
		name   string
		lo, hi int
		words  string
		set    *uint64
	}{
		{"minute", 0, 59, "", &c.minutes},
		{"hour", 0, 23, "", &c.hours},
		{"day of month", 1, 31, "", &c.days},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec", &c.months},
		{"day of week", 0, 7, "sun mon tue wed thu fri sat", &c.weekdays},
	} {
		set, err := parseField(f[i], x.lo, x.hi, strings.Fields(x.words))
		if err != nil {
			return bad("%s: %v", x.name, err)
		}
		*x.set = set
	}
	if c.weekdays&(1<<7) != 0 {
		c.weekdays |= 1
	}
	c.anyHour, c.anyDay, c.anyWeekday = f[1] == "*", strings.HasPrefix(f[2], "*"), strings.HasPrefix(f[4], "*")
	if c.anyWeekday && !c.hasDay() {
		return bad("it never fires: no such month has that day")
	}
	return c, nil
}

func (c Cron) hasDay() bool {
	for m := 1; m <= 12; m++ {
		// Of a leap year: day 0 of the next month is the last of this one.
		last := time.Date(2024, time.Month(m+1), 0, 0, 0, 0, 0, time.UTC).Day()
		if c.months&(1<<m) != 0 && bits.TrailingZeros64(c.days) <= last {
			return true
		}
	}
	return false
}

func parseField(field string, lo, hi int, words []string) (set uint64, err error) {
	number := func(s string) (int, error) {
		for i, w := range words {
			if s == w {
				return lo + i, nil
			}
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < lo || n > hi || s[0] == '+' || s[0] == '-' {
			return 0, fmt.Errorf("%q is not %d to %d", s, lo, hi)
		}
		return n, nil
	}
	for part := range strings.SplitSeq(field, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > hi {
				return 0, fmt.Errorf("step %q is not 1 to %d", stepText, hi)
			}
		}
		from, to := lo, hi
		if span != "*" {
			a, b, ranged := strings.Cut(span, "-")
			if from, err = number(a); err != nil {
				return 0, err
			}
			to = from
			if ranged {
				if to, err = number(b); err != nil {
					return 0, err
				}
			}
			if to < from {
				return 0, fmt.Errorf("%q runs backwards", span)
			}
			if stepped && !ranged {
				return 0, fmt.Errorf("%q: a step needs a range, such as %d-%d/%d", part, from, hi, step)
			}
		}
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// String returns the table and its zone.
func (c Cron) String() string { return c.spec + " " + c.zone.String() }

// Next returns the first time after t at which the table fires; the zero time where none is known.
func (c Cron) Next(t time.Time) time.Time {
	y, m, d := t.In(c.zone).Date()
	// A day before: where clocks go back over midnight, times of yesterday's date lie ahead.
	day := time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC)
	for range cronYears * 366 {
		if c.onDay(day) {
			if next, ok := c.nextOf(day, t); ok {
				return next
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// Fired reports the first time in (after, now] at which the table fires.
func (c Cron) Fired(after, now time.Time) (time.Time, bool) {
	next := c.Next(after)
	return next, !next.IsZero() && !next.After(now)
}

func (c Cron) onDay(day time.Time) bool {
	if c.months&(1<<int(day.Month())) == 0 {
		return false
	}
	dom, dow := c.days&(1<<day.Day()) != 0, c.weekdays&(1<<int(day.Weekday())) != 0
	if c.anyDay || c.anyWeekday {
		return dom && dow
	}
	return dom || dow
}

// nextOf returns the first time after t of a date, given as midnight in UTC.
func (c Cron) nextOf(day, t time.Time) (time.Time, bool) {
	wall := day.Unix() // the clock's reading, as if it were UTC
	before, after := c.offset(wall-86400), c.offset(wall+2*86400)
	var best int64
	found := false
	for hours := c.hours; hours != 0; hours &= hours - 1 {
		for minutes := c.minutes; minutes != 0; minutes &= minutes - 1 {
			u := wall + int64(bits.TrailingZeros64(hours))*3600 + int64(bits.TrailingZeros64(minutes))*60
			if before == after {
				if u-before > t.Unix() {
					return time.Unix(u-before, 0).In(c.zone), true
				}
				continue
			}
			for _, at := range c.instants(u, before, after) {
				if at > t.Unix() && (!found || at < best) {
					best, found = at, true
				}
			}
		}
	}
	return time.Unix(best, 0).In(c.zone), found
}

// instants returns when the clock shows u, given its offset some time before and after: no time, one or two.
func (c Cron) instants(u, before, after int64) []int64 {
	first, second := u-before, u-after
	isFirst, isSecond := c.offset(first) == before, c.offset(second) == after
	switch {
	case isFirst && isSecond && c.anyHour && first != second:
		return []int64{first, second}
	case isFirst:
		return []int64{first}
	case isSecond:
		return []int64{second}
	case c.anyHour:
		return nil
	}
	// The clocks passed over u: first is the same distance behind the change.
	start, _ := time.Unix(first, 0).In(c.zone).ZoneBounds()
	return []int64{start.Unix()}
}

func (c Cron) offset(unix int64) int64 {
	_, off := time.Unix(unix, 0).In(c.zone).Zone()
	return int64(off)
}
