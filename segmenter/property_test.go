package segmenter

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// world is how far the offsets of these tests go.
const world = 40

// slow is the obvious model of a list: a name for every offset.
type slow map[int64]ExceptionKind

func drawSlow(t *rapid.T, label string) slow {
	m := make(slow)
	kinds := rapid.SliceOfN(rapid.SampledFrom([]ExceptionKind{"", "", Gap, Quarantined}), world, world).Draw(t, label)
	for o, k := range kinds {
		if k != "" {
			m[int64(o)] = k
		}
	}
	return m
}

// list builds the run-length list one offset at a time.
func (m slow) list() Exceptions {
	var e Exceptions
	for o := int64(0); o < world; o++ {
		if k, ok := m[o]; ok {
			e = e.Add(k, o, o+1)
		}
	}
	return e
}

// check fails unless got is canonical (S3) and says of every offset what m says.
func (m slow) check(t *rapid.T, what string, got Exceptions) {
	t.Helper()
	if err := got.Validate(); err != nil {
		t.Fatalf("%s: %v in %v", what, err, got)
	}
	if d := cmp.Diff(m.list(), got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
	if want := int64(len(m)); got.Total() != want {
		t.Fatalf("%s: total %d, want %d", what, got.Total(), want)
	}
}

func TestExceptionsAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawSlow(t, "kinds")
		e := m.list()
		before := slices.Clone(e)
		m.check(t, "add", e)
		for o := int64(-1); o <= world; o++ {
			k, ok := e.At(o)
			if want, wantOK := m[o]; k != want || ok != wantOK {
				t.Fatalf("at %d: got %q %t, want %q %t in %v", o, k, ok, want, wantOK, e)
			}
		}
		start := rapid.Int64Range(0, world).Draw(t, "start")
		end := rapid.Int64Range(start, world).Draw(t, "end")
		clipped := make(slow)
		for o, k := range m {
			if o >= start && o < end {
				clipped[o] = k
			}
		}
		clipped.check(t, "clip", e.Clip(start, end))
		left, right := e.Clip(0, start), e.Clip(start, world)
		whole, err := left.Merge(right)
		if err != nil {
			t.Fatal(err)
		}
		m.check(t, "merge of a cut list", whole)
		again, err := ExceptionsOf(Gap, e.Offsets(Gap))
		if err != nil || again.Total() != e.Count(Gap) || again.Count(Gap) != e.Count(Gap) {
			t.Fatalf("offsets and back: got %v, %v of %v", again, err, e)
		}
		if d := cmp.Diff(before, e, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("an operation changed its receiver:\n%s", d)
		}
	})
}

func TestMergeAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSlow(t, "a"), drawSlow(t, "b")
		both, twice := make(slow), false
		for o, k := range a {
			both[o] = k
		}
		for o, k := range b {
			_, ok := both[o]
			twice = twice || ok
			both[o] = k
		}
		got, err := a.list().Merge(b.list())
		if twice != (err != nil) {
			t.Fatalf("merge %v and %v: error %v, want one: %t", a.list(), b.list(), err, twice)
		}
		if err == nil {
			both.check(t, "merge", got)
		}
	})
}

func TestRemoveAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawSlow(t, "kinds")
		e := m.list()
		var offsets []int64
		left, refused := make(slow), false
		for o := int64(0); o < world; o++ {
			k, ok := m[o]
			// Mostly offsets that may go, rarely one that may not.
			take := rapid.IntRange(0, 59).Draw(t, "take")
			if take == 0 || (k == Quarantined && take < 30) {
				offsets = append(offsets, o)
				refused = refused || k != Quarantined
			} else if ok {
				left[o] = k
			}
		}
		got, err := e.Remove(Quarantined, offsets)
		var not *NotExceptionError
		if refused != errors.As(err, &not) {
			t.Fatalf("remove %v from %v: error %v, want one: %t", offsets, e, err, refused)
		}
		if refused {
			if m[not.Offset] == Quarantined || !slices.Contains(offsets, not.Offset) {
				t.Fatalf("remove %v from %v: blames %d", offsets, e, not.Offset)
			}
			return
		}
		left.check(t, "remove", got)
		taken, _ := ExceptionsOf(Quarantined, offsets)
		back, err := got.Merge(taken)
		if err != nil {
			t.Fatal(err)
		}
		m.check(t, "remove and merge back", back)
		m.requeue(t, offsets, got)
	})
}

// requeue checks that a row stays well-formed (S3, S4) when offsets become events.
func (m slow) requeue(t *rapid.T, offsets []int64, left Exceptions) {
	row := LedgerRow{Range: PartitionRange{End: world}, State: Staged, Exceptions: m.list(), MinTimeUs: 5, MaxTimeUs: 7}
	row.Events = world - row.Exceptions.Total()
	got, err := row.Requeue(offsets, 3, 6)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Fatalf("requeue %v: %v", offsets, err)
	}
	want := row
	want.Exceptions = left
	want.Events += int64(len(offsets))
	switch {
	case len(offsets) == 0:
		want.Exceptions = row.Exceptions
	case row.Events == 0:
		want.MinTimeUs, want.MaxTimeUs = 3, 6
	default:
		want.MinTimeUs = 3
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("requeue %v (-want +got):\n%s", offsets, d)
	}
}

// S1, S2: a ledger has no problem exactly if every offset between its ends has one row.
func TestTilingAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []LedgerRow
		at := int64(0)
		for at < world-8 && len(rows) < 8 {
			// Mostly contiguous; now and then a step forward or back.
			at += rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, 2, -1}).Draw(t, "step")
			at = max(at, 0)
			n := rapid.Int64Range(1, 6).Draw(t, "len")
			rows = append(rows, LedgerRow{
				Range: PartitionRange{Generation: rapid.Int32Range(0, 1).Draw(t, "generation"), Start: at, End: at + n},
				State: Skipped,
			})
			at += n
		}
		if rapid.Bool().Draw(t, "one generation") {
			for i := range rows {
				rows[i].Range.Generation = 0
			}
		}
		shuffled := rapid.Permutation(rows).Draw(t, "order")
		checkTilingModel(t, shuffled)
	})
}

func checkTilingModel(t *rapid.T, rows []LedgerRow) {
	overlaps, holes := int64(0), int64(0)
	for gen := int32(0); gen < 2; gen++ {
		count := make(map[int64]int64)
		lo, hi := int64(world*2), int64(0)
		for _, r := range rows {
			if r.Range.Generation != gen {
				continue
			}
			lo, hi = min(lo, r.Range.Start), max(hi, r.Range.End)
			for o := r.Range.Start; o < r.Range.End; o++ {
				count[o]++
			}
		}
		for o := lo; o < hi; o++ {
			switch n := count[o]; {
			case n == 0:
				holes++
			case n > 1:
				overlaps += n - 1
			}
		}
	}
	gotHoles, gotOverlaps := int64(0), int64(0)
	for _, p := range CheckTiling(rows) {
		switch p.Kind {
		case Hole:
			gotHoles += p.Range.Len()
		case Overlap:
			gotOverlaps += p.Range.Len()
		default:
			t.Fatalf("unexpected problem %s", p)
		}
	}
	if gotHoles != holes || gotOverlaps != overlaps {
		t.Fatalf("%d offsets in holes and %d in overlaps, want %d and %d:\n%v", gotHoles, gotOverlaps, holes, overlaps, rows)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawSlow(t, "kinds").list()
		row := LedgerRow{Range: PartitionRange{Partition: 3, Generation: 1, End: world}, State: Staged, Exceptions: e, MaxTimeUs: 1}
		row.Events = world - e.Total()
		data, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeLedgerRow(data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if d := cmp.Diff(row, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%s (-want +got):\n%s", data, d)
		}
	})
}
