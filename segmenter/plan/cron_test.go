package plan

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// The next times after a start, in the zone of the table. In Berlin the clocks of 2026 go from 02:00 to 03:00 on 29 March
// and from 03:00 to 02:00 on 25 October.
func TestCronNext(t *testing.T) {
	for _, c := range []struct{ spec, zone, after, want string }{
		{"0 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z 2026-01-01T02:00:00Z"},
		{"*/20 8-9 * * *", "UTC", "2026-01-01T08:45:00Z", "2026-01-01T09:00:00Z 2026-01-01T09:20:00Z 2026-01-01T09:40:00Z 2026-01-02T08:00:00Z"},
		{"30 6 * * mon-fri", "Asia/Tokyo", "2026-01-02T06:30:00+09:00", "2026-01-05T06:30:00+09:00"},
		{"0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"}, // 2100 has none
		{"0 0 13 * fri", "UTC", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z 2026-03-13T00:00:00Z 2026-03-20T00:00:00Z"},
		{"0 0 13 * *", "UTC", "2026-03-01T00:00:00Z", "2026-03-13T00:00:00Z 2026-04-13T00:00:00Z"},
		{"0 0 * * 7", "UTC", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"},
		{"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"},
		// Left out: a time of day fires once, when the clocks have changed; every hour does not notice.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00 2026-03-30T02:00:00+02:00"},
		{"30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00 2026-03-29T03:30:00+02:00"},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", "2026-03-29T01:30:00+01:00 2026-03-29T03:30:00+02:00"},
		// Twice: a time of day fires at the first, every hour at both.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-25T03:30:00+01:00"},
		{"0 0 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T00:00:00+02:00 2026-10-26T00:00:00+01:00"},
		// Clocks that go back over midnight, and forward from it.
		{"30 23 * * *", "America/Havana", "2026-10-31T12:00:00-04:00", "2026-10-31T23:30:00-04:00 2026-11-01T23:30:00-05:00"},
		{"30 0 * * *", "America/Havana", "2026-10-31T12:00:00-04:00", "2026-11-01T00:30:00-04:00 2026-11-02T00:30:00-05:00"},
		{"0 0 * * *", "America/Havana", "2026-03-07T12:00:00-05:00", "2026-03-08T01:00:00-04:00 2026-03-09T00:00:00-04:00"},
		// A change of half an hour, and a day that was left out.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T11:00:00-10:00", "2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"},
	} {
		cron, err := ParseCron(c.spec, zone(t, c.zone))
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for want := range strings.FieldsSeq(c.want) {
			at = cron.Next(at)
			if got := at.Format(time.RFC3339); got != want {
				t.Errorf("%s after %s: got %s, want %s of %s", cron, c.after, got, want, c.want)
				break
			}
		}
	}
}

func TestParseCronRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"":                  "0 fields",
		"0 0 * * * *":       "6 fields",
		"60 * * * *":        `minute: "60" is not 0 to 59`,
		"* 24 * * *":        "hour",
		"* * 0 * *":         "day of month",
		"* * * 13 *":        "month",
		"* * * * 8":         "day of week",
		"* * * foo *":       `"foo"`,
		"5-1 * * * *":       "backwards",
		"*/0 * * * *":       "step",
		"5/10 * * * *":      "a step needs a range",
		"1,,2 * * * *":      "minute",
		"+5 * * * *":        "minute",
		"-5 * * * *":        "minute",
		"0 0 30 2 *":        "never fires",
		"0 0 31 4,6,9,11 *": "never fires",
		"@daily":            "1 fields",
		"1-2-3 * * * *":     "minute",
	} {
		if c, err := ParseCron(spec, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse %q: got %v, %v, want an error with %q", spec, c, err, want)
		}
	}
	if _, err := ParseCron("* * * * *", nil); err == nil {
		t.Error("parse without a zone: want an error")
	}
}

// Away from changes of clocks a table fires exactly in the minutes that match it: the slow model tries every minute.
func TestCronAgainstEveryMinute(t *testing.T) {
	zones := []*time.Location{time.UTC, zone(t, "Asia/Kolkata"), zone(t, "America/New_York")}
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.SampledFrom([]string{
			"* * * * *", "*/7 * * * *", "0 */6 * * *", "5,50 3,17 * * *", "30 12 20-22 * *", "0 9 * 11 mon", "59 23 21 * sat",
		}).Draw(t, "spec")
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		c, err := ParseCron(spec, loc)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 3*86400).Draw(t, "start")) * time.Second)
		want := start.Truncate(time.Minute).Add(time.Minute)
		for range 8 * 24 * 60 {
			w := want.In(loc)
			if c.onDay(time.Date(w.Year(), w.Month(), w.Day(), 0, 0, 0, 0, time.UTC)) && c.hours&(1<<w.Hour()) != 0 && c.minutes&(1<<w.Minute()) != 0 {
				break
			}
			want = want.Add(time.Minute)
		}
		if got := c.Next(start); !got.Equal(want) {
			t.Fatalf("%s after %s: got %s, want %s", c, start, got, want)
		}
	})
}

// Whatever is parsed can be asked, and goes forward.
func FuzzParseCron(f *testing.F) {
	f.Add("0 * * * *", int64(1763719200))
	f.Add("*/5 1-3,7 29 feb mon-fri", int64(-1))
	f.Add("59 23 31 12 7", int64(4102444800))
	f.Fuzz(func(t *testing.T, spec string, unix int64) {
		for _, loc := range []*time.Location{time.UTC, zone(t, "Europe/Berlin")} {
			c, err := ParseCron(spec, loc)
			if err != nil {
				continue
			}
			at := time.Unix(unix%(1<<34), 0)
			next := c.Next(at)
			if next.IsZero() || !next.After(at) {
				t.Fatalf("%s after %s: got %s", c, at, next)
			}
			if got, ok := c.Fired(at, next); !ok || !got.Equal(next) {
				t.Fatalf("%s has not fired in (%s, %s]: %s", c, at, next, got)
			}
			if again, err := ParseCron(strings.TrimSuffix(c.String(), " "+loc.String()), loc); err != nil || again.String() != c.String() {
				t.Fatalf("%s read again: %s, %v", c, again, err)
			}
		}
	})
}
