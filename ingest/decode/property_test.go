package decode

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

// D4: floats are what strconv makes of them, to the last bit.
func TestFloatsAreStrconvs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	check := func(s string) {
		got, end := scanFloat([]byte(s+","), 0)
		want, err := strconv.ParseFloat(s, 64)
		if (err == nil) != (end == len(s)) || err == nil && math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: got %v (end %d), want %v (%v)", s, got, end, want, err)
		}
	}
	for range 100_000 {
		f := math.Float64frombits(r.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		check(strconv.FormatFloat(f, 'g', -1, 64))
		check(strconv.FormatFloat(r.ExpFloat64()*1000, 'f', r.IntN(18), 64))
		check(fmt.Sprintf("%d.%0*de%d", r.IntN(1000), 1+r.IntN(16), r.IntN(10), r.IntN(60)-30))
	}
}

func TestIntsAreStrconvs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?(0|[1-9][0-9]{0,21})`).Draw(t, "s")
		if rapid.Bool().Draw(t, "edge") {
			s = strconv.FormatInt(rapid.Int64().Draw(t, "n"), 10)
		}
		got, end := scanInt([]byte(s), 0)
		want, err := strconv.ParseInt(s, 10, 64)
		if (err == nil) != (end == len(s)) || err == nil && got != want {
			t.Fatalf("%s: got %d (end %d), want %d (%v)", s, got, end, want, err)
		}
	})
}

// Timestamps are what time.Parse makes of them, as far as they are strict RFC 3339.
func TestTimesAreTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		at = at.In(time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "zone")))
		s := []byte(at.Format(time.RFC3339Nano))
		if rapid.Bool().Draw(t, "digits") {
			s = []byte(at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			s[rapid.IntRange(0, len(s)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-+:.TZ, ")).Draw(t, "byte")
		}
		got, ok := parseRFC3339(s)
		if want, fine := oracleTime(string(s)); fine != ok || ok && got != want {
			t.Fatalf("%s: got %d, %t, want %d, %t", s, got, ok, want, fine)
		}
	})
}

func TestDatesAreDates(t *testing.T) {
	for day, at := int64(-719528), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); day < 2932897; day, at = day+1, at.AddDate(0, 0, 1) {
		if got, ok := parseISODate([]byte(at.Format(isoDate))); !ok || got != day {
			t.Fatalf("%s: got %d, %t, want %d", at.Format(isoDate), got, ok, day)
		}
		if day > -700000 && day < 2900000 {
			day, at = day+6, at.AddDate(0, 0, 6)
		}
	}
}

func TestDecimalsAreRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?(e[+-]?[0-9]{1,2})?`).Draw(t, "s")
		typ := dec(rapid.IntRange(1, 38).Draw(t, "p"), 0)
		typ.Scale = rapid.IntRange(0, typ.Precision).Draw(t, "s")
		if rapid.Bool().Draw(t, "time") {
			typ = ts(rapid.SampledFrom([]string{"s", "ms", "us", "ns"}).Draw(t, "unit"))
		}
		c, err := newColumn(cube.Column{Name: "v", Type: typ}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var v value
		bad := c.parse(&v, []byte(s), true)
		want, ok := oracleCell(typ, s)
		if ok != (bad == nil) {
			t.Fatalf("%s as %+v: got %v, want ok %t", s, typ, bad, ok)
		}
		if ok && c.memoryKind() == stage.Decimal128 {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:], v.hi)
			binary.BigEndian.PutUint64(b[8:], v.lo)
			if got := bigOf(b[:]).String(); got != want {
				t.Fatalf("%s as %+v: got %s, want %v", s, typ, got, want)
			}
		} else if ok && v.i != want {
			t.Fatalf("%s as %+v: got %d, want %v", s, typ, v.i, want)
		}
	})
}

// Rows do not depend on the order of keys, on what came before, or on which clone reads them.
func TestClonesAndOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable()
		s := stage.NewSchema(table)
		d, err := New(table, s)
		if err != nil {
			t.Fatal(err)
		}
		order := rapid.Permutation(table.Columns).Draw(t, "order")
		shuffled := *table
		shuffled.Columns = order
		s2 := stage.NewSchema(&shuffled)
		d2, err := New(&shuffled, s2)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a, b, e := stage.NewChunk(s), stage.NewChunk(s2), stage.NewChunk(s)
		for i := range 20 {
			event := anyEvent(pageView(r, i%2 == 0))
			if i%3 == 0 {
				event = mutate(r, event)
			}
			rec := Record{Offset: int64(i), TimestampMs: -1, Value: event}
			bad, bad2, bad3 := d.Append(a, rec), d2.Append(b, rec), d.Clone().Append(e, rec)
			if (bad == nil) != (bad2 == nil) || (bad == nil) != (bad3 == nil) {
				t.Fatalf("%q: %v, %v, %v", event, bad, bad2, bad3)
			}
		}
		if stage.HashChunk(a) != stage.HashChunk(e) {
			t.Fatal("a clone gives other rows")
		}
		for i, c := range order {
			x, y := &a.Columns[s.Field(c.Name)], &b.Columns[i]
			for row := range a.Rows() {
				if cell(x, row) != cell(y, row) {
					t.Fatalf("column %s row %d: %v and %v", c.Name, row, cell(x, row), cell(y, row))
				}
			}
		}
	})
}

// D7.
func TestNoAllocations(t *testing.T) {
	for name, x := range map[string]struct {
		table  *cube.Table
		events [][]byte
	}{
		"page views": {pageViews(), pageViewEvents(500, false)},
		"wide":       {pageViews(), pageViewEvents(500, true)},
		"all types":  {anyTable(), [][]byte{anyEvent(pageViewEvents(1, false)[0])}},
		"nulls":      {anyTable(), [][]byte{[]byte(`{"ts":"2026-11-20T10:00:00Z","page":null}`)}},
		"repeated":   {anyTable(), [][]byte{[]byte(`{"ts":"2026-11-20T10:00:00Z","page":{"url":"\u0061"},"page":{"url":"\u0062"}}`)}},
	} {
		x.table.Include = cube.Include{Extra: true, Raw: true, Key: true, Headers: true}
		d, s := newDecoder(t, x.table)
		c := stage.NewChunk(s)
		headers := []stage.Header{{Key: "a", Value: []byte("b")}}
		run := func() {
			c.Reset()
			for _, e := range x.events {
				if bad := d.Append(c, Record{TimestampMs: -1, Value: e, Key: e[:3], Headers: headers}); bad != nil {
					t.Fatal(bad)
				}
			}
		}
		run()
		if n := testing.AllocsPerRun(5, run); n > 0 {
			t.Errorf("D7: %s: %.2f allocations for %d events", name, n, len(x.events))
		}
	}
}
