package cube

import (
	"fmt"
	"strings"
	"time"
)

// checkLayout refuses a layout of Go's time package that cannot hold the date (and, for a timestamp, the time of day
// that it shows): such a layout would read every event, wrongly.
func checkLayout(t Type) error {
	layout := t.withDefaults().Format
	example := "2006-01-02"
	if t.Kind == Timestamp {
		example = "2006-01-02 15:04:05"
	}
	how := fmt.Sprintf("write %s(%s), in the digits of Go's reference time (year 2006, month 01, day 02, hour 15, minute 04, second 05)", t.Kind, example)
	if t.Kind == Timestamp {
		how = "write s, ms, us, ns or rfc3339, or a layout: " + strings.TrimPrefix(how, "write ")
	}
	switch {
	case len(layout) > maxLayout:
		return typeProblem(fmt.Sprintf("the layout has more than %d bytes", maxLayout), how)
	case !plainText(layout) || strings.TrimSpace(layout) != layout:
		return typeProblem(fmt.Sprintf("the layout %q has spaces around it, line breaks, control characters or is not UTF-8", layout), how)
	case t.Kind == Timestamp && unitAlias(layout) != "":
		return typeProblem(fmt.Sprintf("unknown time format %q", layout), fmt.Sprintf("write timestamp(%s)", unitAlias(layout)))
	}
	if other := translateLayout(layout); other != layout && layoutFault(t.Kind, other) == "" && layoutFault(t.Kind, layout) != "" {
		return typeProblem(fmt.Sprintf("the layout %q is not in Go's notation", layout), fmt.Sprintf("write %s(%s)", t.Kind, other))
	}
	if fault := layoutFault(t.Kind, layout); fault != "" {
		return typeProblem(fmt.Sprintf("the layout %q %s", layout, fault), how)
	}
	return nil
}

// layoutFault writes two times in the layout and reads them back.
func layoutFault(k Kind, layout string) string {
	if strings.Contains(layout, "MST") {
		return "has a zone by name, which does not say how far it is from UTC (write -0700 or Z07:00)"
	}
	for _, want := range []time.Time{
		time.Date(2019, 11, 23, 17, 48, 59, 0, time.UTC),
		time.Date(2031, 3, 8, 4, 6, 7, 0, time.UTC),
	} {
		got, err := time.Parse(layout, want.Format(layout))
		if err != nil {
			return "does not read back what it writes"
		}
		got = got.UTC()
		if y, m, d := got.Date(); y != want.Year() || m != want.Month() || d != want.Day() {
			return "does not hold year, month and day"
		}
		if k == Timestamp && !got.Equal(want) && !got.Equal(want.Truncate(time.Minute)) &&
			!got.Equal(want.Truncate(time.Hour)) && !got.Equal(want.Truncate(24*time.Hour)) {
			return "loses the hour or the minute (with hours of 03, PM is needed)"
		}
	}
	return ""
}

// unitAlias returns our word for another system's word of a time format.
func unitAlias(s string) string {
	switch strings.ToLower(s) {
	case "sec", "second", "seconds", "unix", "epoch", "epoch_s", "epoch_second":
		return "s"
	case "milli", "millis", "millisecond", "milliseconds", "msec", "epoch_ms", "epoch_millis", "unix_ms", "3":
		return "ms"
	case "micro", "micros", "microsecond", "microseconds", "usec", "µs", "epoch_us", "epoch_micros", "6":
		return "us"
	case "nano", "nanos", "nanosecond", "nanoseconds", "nsec", "epoch_ns", "9":
		return "ns"
	case "iso", "iso8601", "iso-8601", "rfc-3339", "rfc3339nano", "rfc 3339", "utc":
		return formatRFC3339
	}
	if low := strings.ToLower(s); low != s && (Type{Kind: Timestamp, Format: low}.Unit() != "" || low == formatRFC3339) {
		return low
	}
	return ""
}

// translateLayout turns the patterns of Java and of strftime into Go's.
func translateLayout(s string) string {
	if strings.Contains(s, "%") {
		return strings.NewReplacer("%Y", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05", "%y", "06", "%b", "Jan",
			"%B", "January", "%e", "_2", "%I", "03", "%p", "PM", "%z", "-0700", "%f", "000000", "%T", "15:04:05", "%F", "2006-01-02", "%%", "%").Replace(s)
	}
	return strings.NewReplacer("yyyy", "2006", "YYYY", "2006", "yy", "06", "MMMM", "January", "MMM", "Jan", "MM", "01", "dd", "02", "DD", "02",
		"HH", "15", "hh", "03", "mm", "04", "ss", "05", "SSSSSS", "000000", "SSS", "000", "a", "PM", strings.Repeat("X", 3), "Z07:00", "Z", "-0700", "'", "").Replace(s)
}
