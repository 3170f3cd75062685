package segmenter

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What DecodeLedgerRow accepts is well-formed, survives a round trip, and is all that CheckTiling asks of a row.
func FuzzDecodeLedgerRow(f *testing.F) {
	f.Add([]byte(`{"range":{"partition":0,"generation":0,"start":0,"end":10},"state":"staged","events":7,"exceptions":[{"kind":"gap","start":1,"end":3},{"kind":"quarantined","start":3,"end":4}],"min_time_us":1,"max_time_us":2}`))
	f.Add([]byte(`{"range":{"partition":1,"generation":2,"start":5,"end":6},"state":"lost","events":0,"min_time_us":0,"max_time_us":0,"reason":"retention"}`))
	f.Add([]byte(`{"range":{"start":0,"end":9223372036854775807},"state":"staged","events":9223372036854775807,"exceptions":null}`))
	f.Add([]byte(`{"range":{"start":0,"end":3},"state":"staged","events":1,"exceptions":[{"kind":"gap","start":2,"end":4}]}`))
	f.Add([]byte(`{"range":{"start":3,"end":0}} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := DecodeLedgerRow(data)
		if err != nil {
			return
		}
		if p := CheckTiling([]LedgerRow{row}); len(p) > 0 {
			t.Fatalf("accepted %s with %v", data, p)
		}
		again, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeLedgerRow(again)
		if err != nil {
			t.Fatalf("refuses its own %s: %v", again, err)
		}
		if d := cmp.Diff(row, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("round trip (-want +got):\n%s", d)
		}
	})
}

// The algebra never panics on a list that was accepted, and keeps S3.
func FuzzExceptions(f *testing.F) {
	f.Add([]byte(`[{"kind":"gap","start":1,"end":3},{"kind":"quarantined","start":3,"end":9}]`), int64(2), int64(5))
	f.Add([]byte(`[{"kind":"quarantined","start":0,"end":9223372036854775807}]`), int64(0), int64(1))
	f.Add([]byte(`[]`), int64(-1), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, a, b int64) {
		var e Exceptions
		if json.Unmarshal(data, &e) != nil {
			return
		}
		clip := e.Clip(a, b)
		if err := clip.Validate(); err != nil {
			t.Fatalf("clip [%d,%d): %v", a, b, err)
		}
		left, err := e.Remove(Quarantined, []int64{a})
		kind, _ := e.At(a)
		if (err == nil) != (kind == Quarantined) {
			t.Fatalf("remove %d, which is %q: %v", a, kind, err)
		}
		if err == nil && (left.Validate() != nil || left.Total() != e.Total()-1) {
			t.Fatalf("remove %d left %v of %v", a, left, e)
		}
	})
}

// What DecodeManifest accepts keeps S5, S9 and S10, and says the same when it is written and read again.
func FuzzDecodeManifest(f *testing.F) {
	if good, err := testManifest().Encode(); err == nil {
		f.Add(good)
	}
	f.Add([]byte(`{"format_version":1,"range":[{"partition":0,"generation":0,"start":0,"end":3}],"parts":null}`))
	f.Add([]byte(`{"format_version":2}`))
	f.Add([]byte(`{"format_version":1,"definition":{"a":1,"a":2},"notes":{"x":[{}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			return
		}
		if got, want := SumParts(m.Parts).Offsets(), m.Range.Len(); got != want {
			t.Fatalf("S9: accepted %d named offsets of %d", got, want)
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeManifest(again)
		if err != nil {
			t.Fatalf("refuses its own %s: %v", again, err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Fatalf("round trip (-want +got):\n%s", d)
		}
	})
}
