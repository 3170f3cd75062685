package plan

import (
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// truncUnit returns the step of a unit as date_trunc takes it.
func truncUnit(unit string) (Step, bool) {
	switch strings.ToLower(unit) {
	case "second", "seconds", "sec", "secs", "s":
		return stepOf(cube.Second, nil), true
	case "minute", "minutes", "min", "mins", "m":
		return stepOf(cube.Minute, nil), true
	case "hour", "hours", "hr", "hrs", "h":
		return stepOf(cube.Hour, nil), true
	case "day", "days", "d", "dow", "isodow", "doy", "dayofyear", "dayofweek", "weekday":
		return stepOf(cube.Day, nil), true
	case "week", "weeks", "w":
		return stepOf(cube.Week, nil), true
	case "month", "months", "mon", "mons":
		return stepOf(cube.Month, nil), true
	case "quarter", "quarters":
		return stepOf(cube.Quarter, nil), true
	case "year", "years", "yr", "yrs", "y":
		return stepOf(cube.Year, nil), true
	}
	return Step{}, false
}

// partStep returns the spans of time in which a part of a time does not change.
func partStep(part string) (Step, bool) {
	switch strings.ToLower(part) {
	case "yearweek", "isoyear", "weekofyear":
		return stepOf(cube.Week, nil), true
	case "dayofmonth", "era":
		return stepOf(cube.Day, nil), true
	case "decade", "century", "millennium":
		return stepOf(cube.Year, nil), true
	case "second", "seconds", "sec", "secs", "s":
		return stepOf(cube.Second, nil), true
	}
	return truncUnit(part)
}

// callStep returns the spans of time in which a function of one time does not change.
func callStep(name string) (Step, bool) {
	switch name {
	case "year", "month", "day", "hour", "minute", "second", "quarter", "week", "weekofyear", "yearweek", "isoyear", "isodow",
		"dayofweek", "weekday", "dayofmonth", "dayofyear", "decade", "century", "millennium", "era":
		return partStep(name)
	case "dayname", "last_day", "date":
		return stepOf(cube.Day, nil), true
	case "monthname":
		return stepOf(cube.Month, nil), true
	}
	return Step{}, false
}

// formatStep returns the spans of time in which strftime with a format does not change; ok is false for what it does not
// know.
func formatStep(format string) (Step, bool) {
	step := stepOf(cube.Year, nil)
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; i < len(format) && format[i] == '-' {
			i++
		}
		if i == len(format) {
			return Step{}, false
		}
		var of Step
		switch format[i] {
		case '%', 'Y', 'y':
			continue
		case 'm', 'b', 'B':
			of = stepOf(cube.Month, nil)
		case 'd', 'j', 'a', 'A', 'w', 'u', 'U', 'W', 'V', 'G', 'x':
			of = stepOf(cube.Day, nil)
		case 'H', 'I', 'p':
			of = stepOf(cube.Hour, nil)
		case 'M':
			of = stepOf(cube.Minute, nil)
		case 'S', 'c', 'X':
			of = stepOf(cube.Second, nil)
		default:
			return Step{}, false
		}
		if of.divides(step, Always()) {
			step = of
		}
	}
	return step, true
}

// bucketStep returns the spans of time_bucket by its width and, if it has one, its origin or offset. A width has months or the rest, never both.
func bucketStep(args []duck.Expr) (Step, bool) {
	width, ok := fold(args[0])
	if !ok || width.kind != constInterval {
		return Step{}, false
	}
	us := width.iv.days*usPerDay + width.iv.us
	months := width.iv.months
	if us < 0 || months < 0 || (us > 0) == (months > 0) || us > 1<<50 || months > 12_000 {
		return Step{}, false
	}
	origin := constant{kind: constTime, n: 946_857_600 * usPerSecond} // Monday, 3 January 2000
	if months > 0 {
		origin.n = 946_684_800 * usPerSecond // 1 January 2000
	}
	if len(args) == 2 {
		at, ok := fold(args[1])
		switch {
		case !ok:
			return Step{}, false
		case at.kind == constText && at.bare:
			return Step{}, false // an offset or an origin: DuckDB says which
		case at.kind == constInterval && at.iv.months == 0 && months == 0:
			origin.n += at.iv.days*usPerDay + at.iv.us
		case at.isTime() && months == 0:
			origin.n = at.n
		default:
			return Step{}, false
		}
	}
	if months > 0 {
		return Step{Months: int(months), From: floorMod(30*12, months)}, true
	}
	return buckets(us, origin.n), true
}
