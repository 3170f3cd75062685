package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
)

func grains() []cube.Grain {
	return []cube.Grain{cube.Second, cube.Minute, cube.Hour, cube.Day, cube.Week, cube.Month, cube.Quarter, cube.Year}
}

// zones have clocks that go by halves and quarters of hours, that change by half an hour, and days without a midnight.
func zones(t testing.TB) (out []*time.Location) {
	t.Helper()
	for _, name := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo", "Australia/Lord_Howe", "America/New_York"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, zone)
	}
	return out
}

func within() plan.Range {
	return plan.Range{
		Lo: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), Hi: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1,
	}
}

// drawTime draws times near the changes of clocks as often as others.
func drawTime(rt *rapid.T, zone *time.Location) int64 {
	us := rapid.Int64Range(within().Lo, within().Hi).Draw(rt, "us")
	if from, _ := time.UnixMicro(us).In(zone).ZoneBounds(); !from.IsZero() && from.UnixMicro() > within().Lo && rapid.Bool().Draw(rt, "change") {
		us = from.UnixMicro() + rapid.Int64Range(-4*3600e6, 4*3600e6).Draw(rt, "near")
	}
	if unit := rapid.SampledFrom([]int64{1, 1e6, 60e6, 1800e6, 3600e6}).Draw(rt, "round"); unit > 1 {
		us -= us % unit
	}
	return max(us, within().Lo)
}

func drawStep(rt *rapid.T, all []*time.Location) plan.Step {
	if rapid.IntRange(0, 3).Draw(rt, "kind") == 0 {
		us := rapid.SampledFrom([]int64{1e6, 60e6, 900e6, 1800e6, 3600e6, 6 * 3600e6, 86400e6, 7 * 86400e6}).Draw(rt, "width")
		return plan.Buckets(us, rapid.SampledFrom([]int64{0, 900e6, 946857600e6}).Draw(rt, "origin"))
	}
	return plan.StepOf(rapid.SampledFrom(grains()).Draw(rt, "grain"), rapid.SampledFrom(all).Draw(rt, "zone"))
}

// A step that divides another tells at the starts of its spans what the other says of every time in them (P4).
func TestStepDivides(t *testing.T) {
	all := zones(t)
	divided := 0
	rapid.Check(t, func(rt *rapid.T) {
		fine, coarse := drawStep(rt, all), drawStep(rt, all)
		if !fine.Divides(coarse, within()) {
			return
		}
		divided++
		for range 20 {
			us := drawTime(rt, all[rapid.IntRange(0, len(all)-1).Draw(rt, "at")])
			if got, want := coarse.Start(fine.Start(us)), coarse.Start(us); got != want {
				rt.Fatalf("%s divides %s, but %d is in %d, and its start in %d", fine, coarse, us, want, got)
			}
		}
	})
	if divided < 10 {
		t.Errorf("%d pairs divide, want at least 10", divided)
	}
}

// Around a time lie all spans that it cuts, and whether a start of a span lies below either end is whether the time does.
func TestStepAround(t *testing.T) {
	all := zones(t)
	rapid.Check(t, func(rt *rapid.T) {
		s, c := drawStep(rt, all), drawTime(rt, rapid.SampledFrom(all).Draw(rt, "zone"))
		r := s.Around(c)
		if !r.Contains(c) || !s.Cuts(r.Lo) || !s.Cuts(r.Hi+1) {
			rt.Fatalf("%s around %d: %v, cuts at its ends %t and %t", s, c, r, s.Cuts(r.Lo), s.Cuts(r.Hi+1))
		}
		for range 20 {
			us := r.Lo + rapid.Int64Range(-48*3600e6, 48*3600e6).Draw(rt, "us")
			for _, end := range []int64{r.Lo, r.Hi + 1} {
				if (us < end) != (s.Start(us) < end) {
					rt.Fatalf("%s: %d and its start %d are on two sides of %d", s, us, s.Start(us), end)
				}
			}
		}
		for _, between := range []int64{r.Lo + 1, (r.Lo + r.Hi) / 2, r.Hi} {
			if between > r.Lo && s.Cuts(between) && between <= c {
				rt.Fatalf("%s around %d: %v, but it could begin at %d", s, c, r, between)
			}
		}
	})
}

// Start is what cells keep of a dimension, and what DuckDB's date_trunc gives.
func TestStepStart(t *testing.T) {
	o := newOracle(t, 5, 0)
	r := rand.New(rand.NewPCG(5, 5))
	for _, zone := range zones(t)[:3] {
		for _, g := range grains() {
			for range 40 {
				us := within().Lo + r.Int64N(within().Hi-within().Lo)
				text := fmt.Sprintf("SELECT epoch_us(date_trunc('%s', make_timestamp(%d)))", g, us)
				if zone.String() != "UTC" {
					if slices.Contains([]cube.Grain{cube.Second, cube.Minute, cube.Hour}, g) {
						continue // an hour that comes twice is one to DuckDB and two to cells
					}
					text = fmt.Sprintf("SELECT epoch_us(date_trunc('%s', make_timestamp(%d) AT TIME ZONE 'UTC' AT TIME ZONE '%s') AT TIME ZONE '%[3]s')", g, us, zone)
				}
				var want int64
				if err := o.duck.QueryRowContext(t.Context(), text).Scan(&want); err != nil {
					t.Fatal(err)
				}
				if got := plan.StepOf(g, zone).Start(us); got != want {
					t.Errorf("%s in %s of %d: got %d, want %d", g, zone, us, got, want)
				}
			}
		}
	}
}

// Functions of times have the same value throughout the spans that their terms depend on (P4).
func TestTermSteps(t *testing.T) {
	o := newOracle(t, 6, 0)
	o.exec(t, "CREATE TABLE times AS SELECT make_timestamp((946684800000000 + random() * 3155760000000000)::BIGINT) AS ts FROM range(20000)")
	o.exec(t, "INSERT INTO times SELECT TIMESTAMP '2023-12-25' + INTERVAL (i * 20) MINUTE FROM range(2000) r(i)")
	exprs := []string{"ts::date", "year(ts)", "isodow(ts)", "last_day(ts)", "dayname(ts)", "monthname(ts)", "yearweek(ts)", "isoyear(ts)", "era(ts)", "century(ts)"}
	for _, part := range []string{
		"year", "month", "day", "hour", "minute", "second", "quarter", "week", "decade", "century", "millennium", "dow", "isodow", "doy",
		"isoyear", "yearweek", "era", "weekday", "weekofyear", "julian", "epoch", "microsecond", "milliseconds", "timezone",
	} {
		exprs = append(exprs, fmt.Sprintf("date_part('%s', ts)", part), fmt.Sprintf("extract(%s FROM ts)", part))
	}
	for _, unit := range []string{"year", "years", "y", "quarter", "month", "mon", "week", "w", "day", "hour", "h", "minute", "m", "second", "s", "decade", "isodow", "doy", "millennium"} {
		exprs = append(exprs, fmt.Sprintf("date_trunc('%s', ts)", unit), fmt.Sprintf("date_trunc('%s', ts::date)", unit))
	}
	for _, width := range []string{"1 second", "15 minutes", "7 hours", "2 days", "1 week", "3 weeks", "1 month", "5 months", "2 years", "1 day 2 hours"} {
		exprs = append(exprs, fmt.Sprintf("time_bucket(INTERVAL '%s', ts)", width), fmt.Sprintf("time_bucket(INTERVAL '%s', ts, TIMESTAMP '2001-02-03 04:05:06')", width),
			fmt.Sprintf("time_bucket(INTERVAL '%s', ts, INTERVAL '100 minutes')", width))
	}
	for _, c := range "aAbBcdDfFgGHIjmMnpSuUVwWxXyYzZ%" {
		exprs = append(exprs, fmt.Sprintf("strftime(ts, '%%%c %%Y')", c), fmt.Sprintf("strftime(ts, '%%-%c')", c))
	}
	stepped := 0
	for _, e := range exprs {
		st, err := o.analyse(t, "SELECT count(*) FROM views WHERE coalesce("+e+" IS NULL, true)", false)
		if err != nil || len(st.Blocks) == 0 {
			continue
		}
		deps := st.Blocks[0].Where.Leaves()[0].Term.Deps
		if len(deps) != 1 || deps[0].Whole {
			continue
		}
		stepped++
		for _, s := range deps[0].Steps {
			o.sameInSpans(t, e, s)
		}
	}
	if stepped < 80 {
		t.Errorf("%d of %d expressions depend on spans, want at least 80", stepped, len(exprs))
	}
}

// sameInSpans compares the least and the largest value of an expression in each span.
func (o *oracle) sameInSpans(t *testing.T, e string, s plan.Step) {
	t.Helper()
	rows, err := o.duck.QueryContext(t.Context(), "SELECT epoch_us(ts), ("+e+")::VARCHAR FROM times")
	if err != nil {
		return // not one of DuckDB's
	}
	defer rows.Close()
	values := map[int64]string{}
	for rows.Next() {
		var us int64
		var v string
		if err := rows.Scan(&us, &v); err != nil {
			t.Fatal(err)
		}
		if was, ok := values[s.Start(us)]; ok && was != v {
			t.Errorf("%s is said to be the same by %s, but is %s and %s in the span of %d", e, s, was, v, us)
			return
		}
		values[s.Start(us)] = v
	}
}
