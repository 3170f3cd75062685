package plan_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func needsOf(t testing.TB, w *world, sql string) []*plan.Need {
	t.Helper()
	st, err := w.analyse(t, sql, false)
	if err != nil {
		t.Fatal(err)
	}
	needs, lacks := st.Blocks[0].Need(w.layout(t, "views_cube"), w.cubes["views_cube"])
	if lacks != nil {
		t.Fatal(lacks)
	}
	return needs
}

func parseDay(t testing.TB, text string) int64 {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return day.UnixMicro()
}

// maskOf returns the mask of dimensions by their names.
func maskOf(t testing.TB, n *plan.Need, names ...string) (mask int64) {
	t.Helper()
	for _, name := range names {
		found := false
		for i := range n.Layout.Dims {
			if bit := int64(1) << i; len(n.Names(uint64(bit))) == 1 && n.Names(uint64(bit))[0] == name {
				mask, found = mask|bit, true
			}
		}
		if !found {
			t.Fatalf("no dimension %s", name)
		}
	}
	return mask
}

func TestChoose(t *testing.T) {
	w := newWorld(t)
	day := needsOf(t, w, "SELECT country, count(*) FROM views WHERE ts >= '2026-03-01' AND ts < '2026-03-08' GROUP BY country")
	half := needsOf(t, w, "SELECT country, count(*) FROM views WHERE ts >= '2026-03-01 10:30:00' GROUP BY country")
	of := func(rows int64, names ...string) segmenter.CuboidEntry {
		return segmenter.CuboidEntry{Cuboid: maskOf(t, day[0], names...), Rows: rows}
	}
	cuboids := []segmenter.CuboidEntry{
		of(5, "country"), of(30, "ts_day", "country"), of(40, "ts_hour"), of(300, "ts_hour", "country"), of(20, "ts_month", "country"), of(900, "ts_day", "ts_hour", "country", "lang"),
	}
	always := plan.Always()
	at := func(text string) int64 { return parseDay(t, text) }
	for _, c := range []struct {
		name     string
		needs    []*plan.Need
		cuboids  []segmenter.CuboidEntry
		times    plan.Range
		want     string
		constant bool
	}{
		{"days tell as much as hours, in fewer rows", day, cuboids, always, "(ts_day, country) of 30 rows; (country) of 5 rows lacks ts_day", false},
		{"hours leave fewer events to read than days", half, cuboids, always, "(ts_hour, country) of 300 rows; (country) of 5 rows lacks ts_hour", false},
		{"a segment within the week needs no time", day, cuboids, plan.Range{Lo: at("2026-03-02"), Hi: at("2026-03-07")}, "(country) of 5 rows; next would be (ts_month, country) of 20 rows", true},
		{"a segment that ends as the week begins is outside of it", day, cuboids, plan.Range{Lo: at("2026-02-20"), Hi: at("2026-03-01") - 1}, "(country) of 5 rows; next would be (ts_month, country) of 20 rows", true},
		{"a segment with the first event of the week is not", day, cuboids, plan.Range{Lo: at("2026-02-20"), Hi: at("2026-03-01")}, "(ts_day, country) of 30 rows; (country) of 5 rows lacks ts_day", false},
		{"what is left is the base", day, cuboids[5:], always, "(ts_day, ts_hour, country, lang) of 900 rows", false},
		{"no cuboid has the country", day, cuboids[2:3], always, "", false},
	} {
		got, ok := plan.Choose(c.needs, c.cuboids, c.times)
		why := ""
		if ok {
			_, why = got.Argue(c.cuboids)
		}
		if why != c.want || got.Constant != c.constant {
			t.Errorf("%s: got %q, constant %t; want %q, constant %t", c.name, why, got.Constant, c.want, c.constant)
		}
	}
}

// Without a dimension of the event time only segments that lie on one side of each condition have a cuboid.
func TestChooseWithoutTime(t *testing.T) {
	w := newWorld(t)
	w.addCube(t, "cube: flat\ntable: views\ndimensions: [country]\n")
	st, err := w.analyse(t, "SELECT count(*) FROM views WHERE ts >= '2026-03-01'", false)
	if err != nil {
		t.Fatal(err)
	}
	needs, lacks := st.Blocks[0].Need(w.layout(t, "flat"), w.cubes["flat"])
	if lacks != nil {
		t.Fatal(lacks)
	}
	cuboids := []segmenter.CuboidEntry{{Cuboid: 1, Rows: 3}}
	march := parseDay(t, "2026-03-01")
	if got, ok := plan.Choose(needs, cuboids, plan.Range{Lo: march - 1, Hi: march}); ok {
		t.Errorf("events on both sides: got %+v", got.Entry)
	}
	if got, ok := plan.Choose(needs, cuboids, plan.Range{Lo: march, Hi: march + 5}); !ok || !got.Constant {
		t.Errorf("events on one side: got %t, constant %t", ok, got.Constant)
	}
	if len(needs) != 1 || len(needs[0].Events) != 1 || needs[0].Events[0].Lo != march {
		t.Errorf("got %v, want events from %d on", needs[0].Events, march)
	}
}

// The chosen cuboid has every dimension that is needed, none with as few single events has fewer rows, and one is found
// wherever there is one.
func TestChooseProperty(t *testing.T) {
	w := newWorld(t)
	needs := needsOf(t, w, "SELECT country, count(*) FROM views WHERE ts >= '2026-03-01 10:30:00' AND ts < '2026-03-08' GROUP BY country")
	rapid.Check(t, func(rt *rapid.T) {
		var cuboids []segmenter.CuboidEntry
		for range rapid.IntRange(0, 12).Draw(rt, "cuboids") {
			cuboids = append(cuboids, segmenter.CuboidEntry{
				Cuboid: rapid.Int64Range(1, 1<<len(needs[0].Layout.Dims)-1).Draw(rt, "mask"), Rows: rapid.Int64Range(1, 50).Draw(rt, "rows"),
			})
		}
		lo := parseDay(t, "2026-02-25") + rapid.Int64Range(0, 15*86400e6).Draw(rt, "lo")
		times := plan.Range{Lo: lo, Hi: lo + rapid.Int64Range(0, 5*86400e6).Draw(rt, "span")}
		got, ok := plan.Choose(needs, cuboids, times)
		fits := func(n *plan.Need, e segmenter.CuboidEntry) bool {
			mask := n.Mask
			if n.Constant(times) {
				mask = n.Fixed
			}
			return mask&^uint64(e.Cuboid) == 0
		}
		single := func(n *plan.Need) (sum int64) {
			for _, r := range n.Events {
				if !n.Constant(times) && r.Overlaps(times) {
					sum += min(r.Hi, times.Hi) - max(r.Lo, times.Lo) + 1
				}
			}
			return sum
		}
		for _, n := range needs {
			for _, e := range cuboids {
				switch {
				case !fits(n, e):
				case !ok:
					rt.Fatalf("nothing is chosen, but %b of %d rows fits %s", e.Cuboid, e.Rows, n)
				case single(n) < single(got.Need) || single(n) == single(got.Need) && e.Rows < got.Entry.Rows:
					rt.Fatalf("chosen is %+v, but %b of %d rows and %d of single events is better", got.Entry, e.Cuboid, e.Rows, single(n))
				}
			}
		}
		if ok && !fits(got.Need, got.Entry) {
			rt.Fatalf("%+v lacks dimensions of %s", got.Entry, got.Need)
		}
	})
}
