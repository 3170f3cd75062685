package cuboid_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/apache/datasketches-go/hll"

	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
)

// Sketches in files are read by the libraries whose bytes they are, and say the same of the same values.
func TestSketchesAreOfTheirLibraries(t *testing.T) {
	f := crossFile(t, everyMeasure(t))
	cols := readers.Columns(t, f.data, f.rows)
	forms := map[byte]int{} // of HLL sketches
	estimate := func(v any) float64 {
		t.Helper()
		b := []byte(v.(string))
		forms[b[7]&3]++
		s, err := hll.NewHllSketchFromSlice(b, true)
		if err != nil {
			t.Fatalf("HLL %x: %v", b, err)
		}
		e, err := s.GetEstimate()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for row := range int(f.rows) {
		nums := roaring64.New()
		if err := nums.UnmarshalBinary([]byte(cols["count_distinct_exact_num"][row].(string))); err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		if got, want := estimate(cols["count_distinct_num"][row]), float64(nums.GetCardinality()); math.Abs(got-want) > 0.01 {
			t.Errorf("row %d: HLL of num estimates %v, its exact set has %v", row, got, want)
		}
		names := roaring.New()
		if err := names.UnmarshalBinary([]byte(cols["count_distinct_exact_name"][row].(string))); err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		if n := names.GetCardinality(); n > 6 || n > 0 && names.Maximum() > 16 {
			t.Errorf("row %d: %d ids of name up to %d, want at most 6 up to 16", row, n, names.Maximum())
		}
		if got := estimate(cols["shares"][row]); got > 9 {
			t.Errorf("row %d: HLL of share estimates %v, there are 8 values", row, got)
		}
		estimate(cols["count_distinct_url"][row])
		checkDigest(t, row, []byte(cols["percentile_share"][row].(string)), cols["avg_share__count"][row].(int64))
	}
	if forms[0] == 0 || forms[2] == 0 {
		t.Errorf("forms of HLL sketches by number: %v, want lists (0) and registers (2)", forms)
	}
}

// checkDigest reads a t-digest as docs/format/states.md has it. Its values are those that count, but for NaN.
func checkDigest(t *testing.T, row int, b []byte, count int64) {
	t.Helper()
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	float := func(at int) float64 { return math.Float64frombits(word(at)) }
	if b[1] != 1 || b[2] != 20 || binary.LittleEndian.Uint16(b[3:]) != 100 {
		t.Fatalf("row %d: digest %x is none of compression 100", row, b)
	}
	var n int64
	switch {
	case b[5] == 1 && len(b) == 8:
	case b[5] == 2 && len(b) == 16:
		n = 1
	default:
		if want := 32 + 16*int(binary.LittleEndian.Uint32(b[8:])); b[0] != 2 || len(b) != want {
			t.Fatalf("row %d: digest %x has %d bytes, want %d", row, b, len(b), want)
		}
		for at := 32; at < len(b); at += 16 {
			n += int64(word(at + 8))
			if m := float(at); m < float(16) || m > float(24) || at > 32 && m < float(at-16) {
				t.Fatalf("row %d: mean %v of centroid %d is out of order or bounds", row, m, at/16-2)
			}
		}
	}
	if n > count {
		t.Errorf("row %d: a digest of %d values, there are %d", row, n, count)
	}
}
