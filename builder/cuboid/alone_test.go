//go:build !race

// One goroutine that encodes or reads for long: the race detector makes it ten times slower and sees nothing.

package cuboid_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// U3: a changed byte, wherever it is, gives an error that names the file, or changes nothing that is read.
func TestChangedBytes(t *testing.T) {
	l := smallLayout(t)
	b := build(t, l, celltest.Cells(t, l, 77, 3), cuboid.WriterOptions{}, batches{rows: 2})
	if len(b.files) != 1 {
		t.Fatalf("%d files, want 1", len(b.files))
	}
	want, err := readEverything(t, b.st, b, l)
	if err != nil {
		t.Fatal(err)
	}
	key := b.files[0].Key
	data := objectBytes(t, b.st, key)
	silent := 0
	for at := range data {
		bad := bytes.Clone(data)
		bad[at] ^= []byte{1, 0x80, 0x10}[at%3]
		st := new(blob.Mem)
		if err := st.Create(t.Context(), key, bytes.NewReader(bad)); err != nil {
			t.Fatal(err)
		}
		got, err := readEverything(t, st, b, l)
		if err == nil {
			silent++
			if got != want {
				t.Fatalf("byte %d changed: other rows, no error", at)
			}
			continue
		}
		checkFormatError(t, key, err)
	}
	if silent > len(data)/10 { // such as the encoding of levels that there are none of
		t.Errorf("%d of %d changes were not seen", silent, len(data))
	}
	for _, n := range []int{0, 3, 20, len(data) / 2, len(data) - 1} {
		st := new(blob.Mem)
		if err := st.Create(t.Context(), key, bytes.NewReader(data[:n])); err != nil {
			t.Fatal(err)
		}
		if _, err := readEverything(t, st, b, l); err == nil {
			t.Errorf("whole after %d of %d bytes", n, len(data))
		}
	}
}

// Sketches of a smaller cuboid hold more, and grow with the events. A sample of all events, or of some, tells about what the
// row groups take.
func TestEstimateBytes(t *testing.T) {
	l := everyMeasure(t)
	masks := []uint64{1, 1 << 9, 0b1100000001, l.Base()}
	const events = 16000
	all := celltest.Cells(t, l, 9, events)
	enc, err := cuboid.NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	real := map[uint64]int64{}
	for _, mask := range masks {
		c := celltest.RollUp(t, l, all, mask)
		g, err := enc.Encode(cells.Part{Cells: c, To: c.Len()})
		if err != nil {
			t.Fatal(err)
		}
		real[mask] = g.MemBytes() - int64(16*c.Len()) - 4096 // without hashes and head
	}
	for _, sampled := range []int{events, events / 8} {
		got, err := cuboid.EstimateCuboids(l, masks, celltest.Cells(t, l, 9, sampled), events)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			if want := real[e.Cuboid]; e.Bytes > 3*want || 3*e.Bytes < want {
				t.Errorf("cuboid %b by %d of %d events: %d bytes, it has %d", e.Cuboid, sampled, events, e.Bytes, want)
			}
		}
	}
}

// U4: the hash of rows that were read is that of rows that were written, for every measure and every way to cut them.
func TestProve(t *testing.T) {
	l := everyMeasure(t)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 90).Draw(rt, "rows")
		base := celltest.Cells(t, l, rapid.Uint64().Draw(rt, "seed"), n)
		o := cuboid.WriterOptions{FileBytes: rapid.Int64Range(1, 40000).Draw(rt, "file bytes"), MaxGroups: rapid.IntRange(1, 5).Draw(rt, "groups")}
		b := build(t, l, base, o, batches{rows: rapid.IntRange(7, 100).Draw(rt, "group rows")})
		if err := proveAll(b.reader(t, l), l, t); err != nil {
			rt.Fatal(err)
		}
		totals := cuboid.NewTotals(l)
		if err := totals.Add(base); err != nil {
			rt.Fatal(err)
		}
		if totals.Events() != int64(n) {
			rt.Fatalf("got %d events, want %d", totals.Events(), n)
		}
	})
}
