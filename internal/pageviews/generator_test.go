package pageviews

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func newGenerator(t testing.TB, o Options) *Generator {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// G1.
func TestSameOptionsSameRecords(t *testing.T) {
	o := Options{Seed: 7, Late: 0.05, Bad: 0.05, Skew: 1, Wide: true}
	a, b := newGenerator(t, o), newGenerator(t, o)
	o.Seed = 8
	c := newGenerator(t, o)
	var differ bool
	for i := range 20_000 {
		var ea, eb, ec Event
		va, vb, vc := a.Append(nil, &ea), b.Append(nil, &eb), c.Append(nil, &ec)
		if !bytes.Equal(va, vb) || ea != eb {
			t.Fatalf("record %d: one generator made %q %+v, its twin %q %+v", i, va, ea, vb, eb)
		}
		differ = differ || !bytes.Equal(va, vc)
	}
	if !differ {
		t.Error("another seed made the same 20,000 records")
	}
}

// record is what encoding/json reads; pointers tell missing from zero.
type record struct {
	TS      *time.Time `json:"ts"`
	EventID string     `json:"event_id"`
	Page    struct {
		URL, Section string
		Title        *string
	}
	Visitor  struct{ ID, Country, Lang string }
	Device   struct{ Type, OS, Browser string }
	Referrer struct {
		Domain   string
		Campaign *string
	}
	LatencyMs int64 `json:"latency_ms"`
	Bytes     int64
	IsBounce  *bool    `json:"is_bounce"`
	Score     *float64 `json:"score"`
}

// read is the slow reader that the truth is checked against: nil means a bad record.
func read(value []byte) *record {
	if !utf8.Valid(value) || deepest(value) > 200 {
		return nil
	}
	var r record
	if json.Unmarshal(value, &r) != nil || r.TS == nil || r.TS.Year() < 2000 || r.TS.Year() >= 2100 {
		return nil
	}
	return &r
}

func deepest(value []byte) (depth int) {
	now := 0
	for _, c := range value {
		switch c {
		case '[', '{':
			now++
		case ']', '}':
			now--
		}
		depth = max(depth, now)
	}
	return depth
}

// G2: the events are exactly the records that an independent reader takes, with the values that Event says.
func TestEventsAreWhatEncodingJSONReads(t *testing.T) {
	for _, wide := range []bool{false, true} {
		g := newGenerator(t, Options{Seed: 3, Bad: 0.2, Late: 0.1, Wide: wide})
		var value []byte
		reasons := map[Reason]int{}
		for i := range 20_000 {
			var ev Event
			value = g.Append(value[:0], &ev)
			r := read(value)
			if (r == nil) != (ev.Reason != "") {
				t.Fatalf("record %d is %q for the generator, but readable = %t: %.200q", i, ev.Reason, r != nil, value)
			}
			if r == nil {
				reasons[ev.Reason]++
				continue
			}
			if r.Page.Title == nil || r.Referrer.Campaign == nil || r.Score == nil || r.IsBounce == nil {
				t.Fatalf("record %d lacks a field: %s", i, value)
			}
			got := Event{
				Seq: int64(i), Partition: ev.Partition, Session: ev.Session, Views: ev.Views, Late: ev.Late, ArrivalUs: ev.ArrivalUs,
				TimeUs: r.TS.UnixMicro(), PageURL: r.Page.URL, Section: r.Page.Section, Country: r.Visitor.Country, Lang: r.Visitor.Lang,
				Device: r.Device.Type, OS: r.Device.OS, Browser: r.Device.Browser, Referrer: r.Referrer.Domain,
				Campaign: *r.Referrer.Campaign, LatencyMs: r.LatencyMs, Bytes: r.Bytes, Bounce: *r.IsBounce,
				visitor: ev.visitor, idHigh: ev.idHigh, idLow: ev.idLow,
			}
			if got != ev || r.EventID != ev.EventID() || r.Visitor.ID != ev.VisitorID() {
				t.Fatalf("record %d: read %+v, want %+v from %s", i, got, ev, value)
			}
		}
		for _, reason := range []Reason{NotJSON, Truncated, InvalidUTF8, TooDeep, WrongType, NumberRange, NoEventTime, EventTimeRange, Empty, Tombstone} {
			if reasons[reason] == 0 {
				t.Errorf("no bad record was %q among %v", reason, reasons)
			}
		}
	}
}

func TestSharesAndSizes(t *testing.T) {
	const n = 100_000
	for _, c := range []struct {
		wide     bool
		min, max float64
	}{{false, 365, 405}, {true, 1150, 1300}} {
		g := newGenerator(t, Options{Seed: 1, Bad: 0.001, Late: 0.01, Wide: c.wide})
		var value []byte
		var sums Sums
		for range n {
			var ev Event
			value = g.Append(value[:0], &ev)
			sums.Add(&ev, len(value))
			if ev.Reason == "" {
				behind := ev.ArrivalUs - ev.TimeUs
				if lo, hi := int64(0), int64(30*60e6+3e6); behind < lo || behind > hi || ev.Late != (behind > 60e6) {
					t.Fatalf("event %d lies %d us behind, late=%t", ev.Seq, behind, ev.Late)
				}
			}
		}
		if mean := float64(sums.ValueBytes) / n; mean < c.min || mean > c.max {
			t.Errorf("wide=%t: mean value has %.1f bytes, want %v to %v", c.wide, mean, c.min, c.max)
		}
		// Four standard deviations of a binomial draw.
		within(t, "bad", sums.Bad, n, 0.001)
		within(t, "late", sums.Late, n, 0.01)
		if sums.Records != n || sums.Events+sums.Bad != n {
			t.Errorf("records %d = events %d + bad %d does not hold for %d records", sums.Records, sums.Events, sums.Bad, n)
		}
	}
}

func within(t *testing.T, what string, got, n int64, p float64) {
	t.Helper()
	want := float64(n) * p
	if sigma := math.Sqrt(want * (1 - p)); math.Abs(float64(got)-want) > 4*sigma+1 {
		t.Errorf("%s: %d of %d records, want about %.0f", what, got, n, want)
	}
}

// G3: independent dimensions make a cube that does not shrink, so each pair must have few combinations.
func TestDimensionsDependOnEachOther(t *testing.T) {
	g := newGenerator(t, Options{Seed: 5})
	pairs := map[string]map[string]map[string]bool{}
	note := func(what, of, value string) {
		if pairs[what] == nil {
			pairs[what] = map[string]map[string]bool{}
		}
		if pairs[what][of] == nil {
			pairs[what][of] = map[string]bool{}
		}
		pairs[what][of][value] = true
	}
	var value []byte
	cells := map[Event]bool{}
	for range 150_000 {
		var ev Event
		value = g.Append(value[:0], &ev)
		note("sections of a page", ev.PageURL, ev.Section)
		note("devices of an os", ev.OS, ev.Device)
		note("oses of a device", ev.Device, ev.OS)
		note("browsers of an os", ev.OS, ev.Browser)
		note("languages of a country", ev.Country, ev.Lang)
		note("campaigns of a referrer", ev.Referrer, ev.Campaign)
		cells[Event{Country: ev.Country, Lang: ev.Lang, Device: ev.Device, OS: ev.OS, Browser: ev.Browser}] = true
	}
	for what, most := range map[string]int{
		"sections of a page": 1, "devices of an os": 2, "oses of a device": 4, "browsers of an os": 6,
		"languages of a country": 4, "campaigns of a referrer": 3,
	} {
		for of, values := range pairs[what] {
			if len(values) > most {
				t.Errorf("%s: %s has %v, want at most %d", what, of, values, most)
			}
		}
	}
	if got := pairs["browsers of an os"]["ChromeOS"]; len(got) != 1 || !got["Chrome"] {
		t.Errorf("browsers of ChromeOS: %v, want Chrome alone", got)
	}
	// Independent draws of 60 x 41 x 4 x 9 x 11 values would give over 100,000 cells.
	if len(cells) > 3500 {
		t.Errorf("country, lang, device, os, browser have %d combinations, want at most 3500", len(cells))
	}
	if n := len(pairs["languages of a country"]); n < 55 {
		t.Errorf("%d countries, want 55 or more", n)
	}
}

// G3, G4: a session keeps what a visitor keeps; a visitor keeps the partition.
func TestSessionsAndPartitions(t *testing.T) {
	g := newGenerator(t, Options{Seed: 9, Sessions: 200})
	kept, partition, views := map[int64]Event{}, map[int]int32{}, map[int64]int{}
	for range 100_000 {
		var ev Event
		g.Append(nil, &ev)
		views[ev.Session]++
		if p, ok := partition[ev.visitor]; ok && p != ev.Partition {
			t.Fatalf("visitor %s is in partitions %d and %d", ev.VisitorID(), p, ev.Partition)
		}
		partition[ev.visitor] = ev.Partition
		if views[ev.Session] > ev.Views || ev.Bounce != (ev.Views == 1) {
			t.Fatalf("session %d: view %d of %d, bounce %t", ev.Session, views[ev.Session], ev.Views, ev.Bounce)
		}
		same := Event{
			Session: ev.Session, visitor: ev.visitor, Country: ev.Country, Lang: ev.Lang, Device: ev.Device, OS: ev.OS,
			Browser: ev.Browser, Referrer: ev.Referrer, Campaign: ev.Campaign, Views: ev.Views,
		}
		if first, ok := kept[ev.Session]; ok && first != same {
			t.Fatalf("session %d changed: %+v, then %+v", ev.Session, first, same)
		}
		kept[ev.Session] = same
	}
	if mean := 100_000 / float64(len(views)); mean < 2 || mean > 6 {
		t.Errorf("%.2f views a session, want 2 to 6", mean)
	}
}

// A denser topic is of more visitors: sessions are as quick as before.
func TestSessionsGrowWithTheRate(t *testing.T) {
	for rate, want := range map[float64]int{1: 4096, 250: 4096, 500: 8192, 10_000: 163_840, 20_000: 327_680, 1e9: 1 << 20} {
		if got := (Options{Rate: rate}).withDefaults().Sessions; got != want {
			t.Errorf("%v records a second: %d sessions, want %d", rate, got, want)
		}
	}
	if got := (Options{Rate: 10_000, Sessions: 7}).withDefaults().Sessions; got != 7 {
		t.Errorf("7 sessions asked for, got %d", got)
	}
}

func TestSkew(t *testing.T) {
	const n = 100_000
	share := func(skew float64) [4]float64 {
		g := newGenerator(t, Options{Seed: 2, Skew: skew})
		var s Sums
		for range n {
			var ev Event
			s.Add(&ev, len(g.Append(nil, &ev)))
		}
		return [4]float64{
			float64(s.ByPartition[0]) / n, float64(s.ByPartition[1]) / n, float64(s.ByPartition[2]) / n, float64(s.ByPartition[3]) / n,
		}
	}
	even := share(0)
	for p, got := range even {
		if got < 0.2 || got > 0.3 {
			t.Errorf("no skew: partition %d has a share of %.3f, want about 0.25", p, got)
		}
	}
	if got := share(2); got[0] < 0.6 || got[0] < 5*got[3] {
		t.Errorf("skew 2: shares %.3f, want about 0.70 0.18 0.08 0.04", got)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	g := newGenerator(t, Options{Seed: 4, Bad: 1})
	dst := []byte("before")
	for range 2000 {
		var ev Event
		if dst = g.Append(dst[:6], &ev); string(dst[:6]) != "before" {
			t.Fatalf("%s record changed what was before it: %q", ev.Reason, dst[:6])
		}
		if ev.Null() != (ev.Reason == Tombstone) || (ev.Null() && len(dst) > 6) {
			t.Fatalf("%s record: null %t with %d bytes", ev.Reason, ev.Null(), len(dst)-6)
		}
	}
}

func TestAppendAtTakesTheTimeGiven(t *testing.T) {
	g := newGenerator(t, Options{})
	at := time.Date(2027, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	for range 1000 {
		var ev Event
		r := read(g.AppendAt(nil, &ev, at))
		if behind := at.Sub(*r.TS); behind < 0 || behind > 2*time.Second+time.Millisecond {
			t.Fatalf("event time %v is %v behind the arrival %v", r.TS, behind, at)
		}
	}
}

func TestSumsMerge(t *testing.T) {
	g := newGenerator(t, Options{Seed: 6, Bad: 0.1, Late: 0.1})
	var whole Sums
	var parts [3]Sums
	for i := range 3000 {
		var ev Event
		n := len(g.Append(nil, &ev))
		whole.Add(&ev, n)
		parts[i%3].Add(&ev, n)
	}
	merged := parts[2].Clone()
	merged.Merge(&parts[0])
	merged.Merge(&Sums{})
	merged.Merge(&parts[1])
	if diff := cmp.Diff(whole, merged); diff != "" {
		t.Errorf("sums of the parts (-whole +merged):\n%s", diff)
	}
	if parts[2].Records != 1000 {
		t.Errorf("merge into a clone changed its source: %d records", parts[2].Records)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Bad: 2, Late: -1, Rate: -5, Partitions: -1, Skew: 11, Start: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), MaxLate: 1, Sessions: -1})
	if err == nil {
		t.Fatal("impossible options were taken")
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 8 {
		t.Errorf("%d complaints, want 8: %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name string
		wide bool
	}{{"385B", false}, {"wide", true}} {
		b.Run(c.name, func(b *testing.B) {
			g := newGenerator(b, Options{Bad: 0.001, Late: 0.01, Wide: c.wide})
			buf := make([]byte, 0, 4096)
			var ev Event
			b.ReportAllocs()
			for b.Loop() {
				buf = g.Append(buf[:0], &ev)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
