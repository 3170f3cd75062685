package plan

import (
	"math/bits"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Split divides v into vectors of at most maxRows offsets, nearly equal in size, each of which goes on where the one
// before ends, and returns the first limit of them. All partitions advance together, so that each piece holds about one
// stretch of time. A maxRows of 0 means no limit. Every piece names every partition of v (S7).
func Split(v segmenter.Vector, maxRows int64, limit int) []segmenter.Vector {
	rest := v.Len()
	if rest == 0 || limit <= 0 {
		return nil
	}
	if maxRows <= 0 || rest <= maxRows {
		return []segmenter.Vector{slices.Clone(v)}
	}
	pieces := (rest-1)/maxRows + 1
	lines := byPartition(v)
	var out []segmenter.Vector
	for ; pieces > 0 && len(out) < limit; pieces-- {
		size := (rest-1)/pieces + 1
		out = append(out, take(lines, size, rest))
		rest -= size
	}
	return out
}

// byPartition groups the ranges of v by partition, in order.
func byPartition(v segmenter.Vector) [][]segmenter.PartitionRange {
	var out [][]segmenter.PartitionRange
	for i, r := range v {
		if i == 0 || v[i-1].Partition != r.Partition {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], r)
	}
	return out
}

// take cuts size offsets of the rest that lines hold off their front, from each partition in proportion to what it has
// left. Where that does not divide, the largest remainders get one more.
func take(lines [][]segmenter.PartitionRange, size, rest int64) segmenter.Vector {
	shares := make([]int64, len(lines))
	order := make([]int, len(lines))
	remainders := make([]uint64, len(lines))
	given := int64(0)
	for i, ranges := range lines {
		hi, lo := bits.Mul64(uint64(size), uint64(segmenter.Vector(ranges).Len()))
		q, r := bits.Div64(hi, lo, uint64(rest)) // size <= rest: the quotient is no more than the line has
		shares[i], remainders[i], order[i] = int64(q), r, i
		given += int64(q)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case remainders[a] > remainders[b]:
			return -1
		case remainders[a] < remainders[b]:
			return 1
		}
		return 0
	})
	for _, i := range order[:size-given] {
		shares[i]++
	}
	var out segmenter.Vector
	for i := range lines {
		out = append(out, front(&lines[i], shares[i])...)
	}
	return out
}

// front cuts n offsets off the ranges of one partition. What is left begins where the cut ends; of a partition whose
// cut is empty the place stays.
func front(ranges *[]segmenter.PartitionRange, n int64) []segmenter.PartitionRange {
	var out []segmenter.PartitionRange
	for len(*ranges) > 0 {
		r := &(*ranges)[0]
		got := *r
		got.End = r.Start + min(n, r.Len())
		n -= got.Len()
		if !got.Empty() || len(out) == 0 {
			out = append(out, got)
		}
		r.Start = got.End
		if !r.Empty() || len(*ranges) == 1 {
			break
		}
		*ranges = (*ranges)[1:] // the next generation goes on here
	}
	if len(out) > 1 && out[0].Empty() { // the place is said by the range behind it
		out = out[1:]
	}
	return out
}
