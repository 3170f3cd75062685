package verify

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// V1: the rows of any number of row groups pass if and only if they are the range less the exceptions, in order.
func TestWalkAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 5).Draw(t, "start")
		names := rapid.SliceOfN(rapid.SampledFrom([]segmenter.ExceptionKind{"", "", segmenter.Gap, segmenter.Quarantined}), 0, 24).Draw(t, "names")
		var exceptions segmenter.Exceptions
		var want []int64
		for i, k := range names {
			off := start + int64(i)
			if k == "" {
				want = append(want, off)
			} else {
				exceptions = exceptions.Add(k, off, off+1)
			}
		}
		end := start + int64(len(names))
		got := slices.Clone(want)
		switch rapid.SampledFrom([]string{"none", "drop", "add", "swap"}).Draw(t, "damage") {
		case "drop":
			if len(got) > 0 {
				i := rapid.IntRange(0, len(got)-1).Draw(t, "at")
				got = slices.Delete(got, i, i+1)
			}
		case "add":
			got = slices.Insert(got, rapid.IntRange(0, len(got)).Draw(t, "at"), rapid.Int64Range(0, end+2).Draw(t, "offset"))
		case "swap":
			if len(got) > 1 {
				i := rapid.IntRange(0, len(got)-2).Draw(t, "at")
				got[i], got[i+1] = got[i+1], got[i]
			}
		}
		if passed := passes(t, got, start, end, exceptions); passed != slices.Equal(got, want) {
			t.Fatalf("offsets %v in [%d,%d) less %v: passed %t, want %t", got, start, end, exceptions, passed, !passed)
		}
	})
}

// passes walks the offsets in groups of any size.
func passes(t *rapid.T, offsets []int64, start, end int64, exceptions segmenter.Exceptions) bool {
	at := start
	for rest := offsets; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "group")
		var why string
		if at, why = walk(rest[:n], at, end, exceptions); why != "" {
			return false
		}
		rest = rest[n:]
	}
	return firstMissing(at, end, exceptions) == end
}
