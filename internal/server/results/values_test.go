package results

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func TestIntervalText(t *testing.T) {
	const hour = int64(3600e9)
	for _, c := range []struct {
		v    arrow.MonthDayNanoInterval
		want string
	}{
		{arrow.MonthDayNanoInterval{}, "00:00:00"},
		{arrow.MonthDayNanoInterval{Months: 26, Days: 1, Nanoseconds: 3*hour + 5e9 + 500e6}, "2 years 2 months 1 day 03:00:05.5"},
		{arrow.MonthDayNanoInterval{Months: -13, Days: -2}, "-1 year -1 month -2 days"},
		{arrow.MonthDayNanoInterval{Nanoseconds: -100*hour - 1000}, "-100:00:00.000001"},
		{arrow.MonthDayNanoInterval{Days: 10, Nanoseconds: 60e9}, "10 days 00:01:00"},
	} {
		if got := intervalText(c.v); got != c.want {
			t.Errorf("%+v: %s, want %s", c.v, got, c.want)
		}
	}
}
