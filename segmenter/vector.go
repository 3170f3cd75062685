package segmenter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Vector is the offset range of a segment: half-open ranges of several lines (partition and generation), ascending by
// line, no two of one line (S5). A range may be empty: it says where that partition stands. A partition may have ranges
// of several generations. Functions neither keep nor change the vectors they are given.
type Vector []PartitionRange

// Validate reports the first thing that breaks S5.
func (v Vector) Validate() error {
	for i, r := range v {
		if err := r.Validate(); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		switch c := compareLine(v[i-1], r); {
		case c == 0:
			return fmt.Errorf("ranges %s and %s are of one line: want one range of each partition and generation", v[i-1], r)
		case c > 0:
			return fmt.Errorf("range %s comes after %s: want them ascending by partition and generation", r, v[i-1])
		}
	}
	return nil
}

// Normalize returns ranges in any order as a vector: ranges of one line that touch become one. Ranges of one line that
// overlap or leave offsets out between them are refused.
func (v Vector) Normalize() (Vector, error) {
	sorted := slices.Clone(v)
	slices.SortFunc(sorted, compareRange)
	out := make(Vector, 0, len(sorted))
	for _, r := range sorted {
		if err := r.Validate(); err != nil {
			return nil, err
		}
		n := len(out)
		if n == 0 || !out[n-1].SameLine(r) {
			out = append(out, r)
			continue
		}
		if !out[n-1].Abuts(r) {
			return nil, fmt.Errorf("ranges %s and %s are neither one range nor neighbours", out[n-1], r)
		}
		out[n-1].End = r.End
	}
	return out, nil
}

// Len returns the number of offsets in v.
func (v Vector) Len() int64 {
	var n int64
	for _, r := range v {
		n += r.Len()
	}
	return n
}

// Empty reports whether v holds no offset.
func (v Vector) Empty() bool {
	return !slices.ContainsFunc(v, func(r PartitionRange) bool { return !r.Empty() })
}

// Line returns the range of a partition and generation, or ok=false where v says nothing of it.
func (v Vector) Line(partition, generation int32) (r PartitionRange, ok bool) {
	i, ok := v.find(PartitionRange{Partition: partition, Generation: generation})
	if !ok {
		return PartitionRange{}, false
	}
	return v[i], true
}

// Starts returns where each partition stands before v: an empty range at the start of its first generation in v.
func (v Vector) Starts() Vector {
	out := make(Vector, 0, len(v))
	for i, r := range v {
		if i == 0 || v[i-1].Partition != r.Partition {
			r.End = r.Start
			out = append(out, r)
		}
	}
	return out
}

// Ends returns where each partition stands behind v: an empty range at the end of its last generation in v.
func (v Vector) Ends() Vector {
	out := make(Vector, 0, len(v))
	for i, r := range v {
		if i == len(v)-1 || v[i+1].Partition != r.Partition {
			r.Start = r.End
			out = append(out, r)
		}
	}
	return out
}

// Overlaps reports whether an offset lies in both v and o.
func (v Vector) Overlaps(o Vector) bool { return len(v.overlap(o, true)) > 0 }

// Intersect returns the offsets that lie in both v and o, without empty ranges.
func (v Vector) Intersect(o Vector) Vector { return v.overlap(o, false) }

func (v Vector) overlap(o Vector, first bool) Vector {
	var out Vector
	for i, j := 0, 0; i < len(v) && j < len(o); {
		switch c := compareLine(v[i], o[j]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			r := v[i]
			r.Start, r.End = max(r.Start, o[j].Start), min(r.End, o[j].End)
			if !r.Empty() {
				out = append(out, r)
				if first {
					return out
				}
			}
			i, j = i+1, j+1
		}
	}
	return out
}

// Covers reports whether every offset of o lies in v.
func (v Vector) Covers(o Vector) bool { return v.Intersect(o).Len() == o.Len() }

// Join returns the union of v and o. A line of both must be one range afterwards: overlap and offsets left out between
// them are refused (S6).
func (v Vector) Join(o Vector) (Vector, error) {
	if len(v) == 0 || len(o) == 0 {
		return slices.Concat(v, o), nil
	}
	out := make(Vector, 0, max(len(v), len(o)))
	i, j := 0, 0
	for i < len(v) && j < len(o) {
		switch c := compareLine(v[i], o[j]); {
		case c < 0:
			out, i = append(out, v[i]), i+1
		case c > 0:
			out, j = append(out, o[j]), j+1
		default:
			a, b := v[i], o[j]
			if compareRange(a, b) > 0 {
				a, b = b, a
			}
			if a.End != b.Start {
				return nil, fmt.Errorf("%s and %s are not neighbours", v[i], o[j])
			}
			a.End = b.End
			out, i, j = append(out, a), i+1, j+1
		}
	}
	return append(append(out, v[i:]...), o[j:]...), nil
}

// Subtract returns the offsets of v that do not lie in o, ascending. It is no Vector: what is taken out of the middle of
// a line leaves two ranges of it. Empty ranges are left out.
func (v Vector) Subtract(o []PartitionRange) []PartitionRange {
	var out []PartitionRange
	taken := slices.DeleteFunc(slices.Clone(o), PartitionRange.Empty)
	slices.SortFunc(taken, compareRange)
	for _, r := range v {
		i, _ := slices.BinarySearchFunc(taken, r, compareLine)
		for at := r.Start; at < r.End; i++ {
			for i < len(taken) && taken[i].SameLine(r) && taken[i].End <= at {
				i++
			}
			next := r
			next.Start = at
			if i < len(taken) && taken[i].SameLine(r) {
				next.End = min(r.End, max(at, taken[i].Start))
				at = max(at, taken[i].End)
			} else {
				at = r.End
			}
			if !next.Empty() {
				out = append(out, next)
			}
		}
	}
	return out
}

// Compare orders vectors by where their partitions start, lowest partition first; a partition that a vector says
// nothing of comes before any start. Among segments that name all partitions known to them (S7) it is their order in
// the log.
func (v Vector) Compare(o Vector) int {
	if c := compareStarts(v, o); c != 0 {
		return c
	}
	return slices.CompareFunc(v, o, func(a, b PartitionRange) int { return cmp.Compare(a.End, b.End) })
}

func compareStarts(v, o Vector) int {
	i, j := 0, 0
	for i < len(v) && j < len(o) {
		a, b := v[i], o[j]
		if a.Partition != b.Partition {
			break
		}
		if c := cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Start, b.Start)); c != 0 {
			return c
		}
		for i < len(v) && v[i].Partition == a.Partition {
			i++
		}
		for j < len(o) && o[j].Partition == b.Partition {
			j++
		}
	}
	switch {
	case i == len(v) && j == len(o):
		return 0
	case i == len(v):
		return -1
	case j == len(o):
		return 1
	}
	return cmp.Compare(o[j].Partition, v[i].Partition) // the lower partition is missing in the other
}

// String returns the ranges as "p0 [0,10) p1 [5,5)".
func (v Vector) String() string {
	if len(v) == 0 {
		return "nothing"
	}
	parts := make([]string, len(v))
	for i, r := range v {
		parts[i] = r.String()
	}
	return strings.Join(parts, " ")
}

func (v Vector) find(r PartitionRange) (int, bool) { return slices.BinarySearchFunc(v, r, compareLine) }

func compareLine(a, b PartitionRange) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Generation, b.Generation))
}

func compareRange(a, b PartitionRange) int {
	return cmp.Or(compareLine(a, b), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
}
