package cuboid_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// A sample that is all there is gives the rows that there are; each cuboid's parent has its dimensions and is the smallest.
func TestEstimateOfAll(t *testing.T) {
	l := testLayout(t)
	base := celltest.Cells(t, l, 8, 300)
	masks := []uint64{0, 1, 0b1000000000, 0b1100000000, 0b1100000001, l.Base()}
	got, err := cuboid.EstimateCuboids(l, masks, base, 300)
	if err != nil {
		t.Fatal(err)
	}
	rows, parents := map[uint64]int64{}, map[uint64]uint64{}
	for _, e := range got {
		rows[e.Cuboid], parents[e.Cuboid] = e.Rows, e.Parent
		if e.Bytes <= 0 {
			t.Errorf("cuboid %b: %d bytes", e.Cuboid, e.Bytes)
		}
	}
	want := map[uint64]int64{}
	for _, mask := range masks {
		want[mask] = int64(celltest.RollUp(t, l, base, mask).Len())
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("rows differ (-cells +estimate):\n%s", d)
	}
	wantParents := map[uint64]uint64{
		0: 1, 1: 0b1100000001, 0b1000000000: 0b1100000000, 0b1100000000: 0b1100000001, 0b1100000001: l.Base(), l.Base(): l.Base(),
	}
	if d := cmp.Diff(wantParents, parents); d != "" {
		t.Errorf("parents differ (-want +got):\n%s", d)
	}
}

// A cuboid of few rows stays so, one whose rows are all different grows, and none has more rows than there are events.
func TestEstimateScales(t *testing.T) {
	l := testLayout(t)
	masks := []uint64{0, 1 << 9, l.Base()}
	base := celltest.Cells(t, l, 8, 500)
	got, err := cuboid.EstimateCuboids(l, masks, base, 50000)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Rows != 1 || got[1].Rows != 40 || got[2].Rows < int64(base.Len())*9 || got[2].Rows > 50000 {
		t.Errorf("of 50000 events: %+v, want 1, 40 and some 10 times %d rows", got, base.Len())
	}
	if _, err := cuboid.EstimateCuboids(l, masks, celltest.None(t, l, l.Base()), 10); err == nil {
		t.Error("a sample without events: estimated, want an error")
	}
}
