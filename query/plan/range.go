package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Range is a closed range of times [Lo, Hi], in microseconds since 1970; it is empty where Hi is below Lo. Always has no bound.
type Range struct {
	Lo, Hi int64
}

// Always is the range of all times.
func Always() Range { return Range{math.MinInt64, math.MaxInt64} }

// Empty reports whether no time lies in r.
func (r Range) Empty() bool { return r.Hi < r.Lo }

// Contains reports whether a time lies in r.
func (r Range) Contains(us int64) bool { return r.Lo <= us && us <= r.Hi }

// Overlaps reports whether some time lies in both.
func (r Range) Overlaps(o Range) bool { return !r.intersect(o).Empty() }

func (r Range) intersect(o Range) Range { return Range{max(r.Lo, o.Lo), min(r.Hi, o.Hi)} }

// hull returns the smallest range that holds both.
func (r Range) hull(o Range) Range {
	switch {
	case r.Empty():
		return o
	case o.Empty():
		return r
	}
	return Range{min(r.Lo, o.Lo), max(r.Hi, o.Hi)}
}

// String returns [from, to] in UTC; a bound that is none is left out.
func (r Range) String() string {
	if r.Empty() {
		return "never"
	}
	lo, hi := "", ""
	if r.Lo != math.MinInt64 {
		lo = timeText(r.Lo)
	}
	if r.Hi != math.MaxInt64 {
		hi = timeText(r.Hi)
	}
	return fmt.Sprintf("[%s, %s]", lo, hi)
}

func timeText(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999") }

// cuts returns the times at which it changes whether one lies in some of the ranges: each belongs to what follows it.
func cuts(ranges []Range) (out []int64) {
	for _, r := range ranges {
		if r.Empty() {
			continue
		}
		if r.Lo != math.MinInt64 {
			out = append(out, r.Lo)
		}
		if r.Hi != math.MaxInt64 {
			out = append(out, r.Hi+1)
		}
	}
	return sortedCuts(out)
}

func sortedCuts(cuts []int64) []int64 {
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// split divides r at the cuts within it, which ascend.
func (r Range) split(cuts []int64) (out []Range) {
	if r.Empty() {
		return nil
	}
	first, _ := slices.BinarySearchFunc(cuts, r.Lo, func(c, lo int64) int {
		if c <= lo {
			return -1
		}
		return 1
	})
	for _, c := range cuts[first:] {
		if c > r.Hi {
			break
		}
		out = append(out, Range{r.Lo, c - 1})
		r.Lo = c
	}
	return append(out, r)
}

// union sorts ranges and joins those that overlap or touch.
func union(ranges []Range) (out []Range) {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
	for _, r := range sorted {
		switch n := len(out); {
		case r.Empty():
		case n > 0 && (out[n-1].Hi == math.MaxInt64 || r.Lo <= out[n-1].Hi+1):
			out[n-1].Hi = max(out[n-1].Hi, r.Hi)
		default:
			out = append(out, r)
		}
	}
	return out
}

// minus returns what of r lies in none of the others, which are a union.
func (r Range) minus(others []Range) (out []Range) {
	for _, o := range others {
		if !r.Overlaps(o) {
			continue
		}
		if r.Lo < o.Lo {
			out = append(out, Range{r.Lo, o.Lo - 1})
		}
		if o.Hi == math.MaxInt64 {
			return out
		}
		r.Lo = o.Hi + 1
	}
	if !r.Empty() {
		out = append(out, r)
	}
	return out
}

// common returns what lies in both unions.
func common(a, b []Range) (out []Range) {
	for len(a) > 0 && len(b) > 0 {
		if both := a[0].intersect(b[0]); !both.Empty() {
			out = append(out, both)
		}
		if a[0].Hi < b[0].Hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
