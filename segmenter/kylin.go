package segmenter

import (
	"fmt"
	"math"
	"slices"
)

// Number returns Kylin's single number of where partitions stand: the sum over partitions of the offset and the ends of
// the earlier generations. at is a Vector of empty ranges, such as Starts and Ends return; a segment's numbers are those
// of its Starts and its Ends.
func (g Generations) Number(at Vector) (int64, error) {
	var n int64
	for i, r := range at {
		if i > 0 && at[i-1].Partition == r.Partition {
			return 0, fmt.Errorf("partition %d stands in two generations, %s and %s", r.Partition, at[i-1], r)
		}
		base, err := g.base(r)
		if err != nil {
			return 0, err
		}
		if base > math.MaxInt64-r.End || n > math.MaxInt64-base-r.End {
			return 0, fmt.Errorf("the sum of %s does not fit in 64 bits", at)
		}
		n += base + r.End
	}
	return n, nil
}

// base returns the sum of the ends of the generations before r's.
func (g Generations) base(r PartitionRange) (int64, error) {
	var base int64
	next := int32(0)
	for _, x := range g.Of(r.Partition) {
		if x.Generation >= r.Generation {
			break
		}
		if x.Generation != next || !x.Closed {
			break
		}
		if base > math.MaxInt64-x.End {
			return 0, fmt.Errorf("the ends of partition %d's generations do not fit in 64 bits", r.Partition)
		}
		base += x.End
		next++
	}
	if next != r.Generation {
		return 0, fmt.Errorf("the end of generation %d of partition %d, before %s, is not known", next, r.Partition, r)
	}
	return base, nil
}

// Position is the other way: where partitions stand at a number of Kylin's. Of one partition every number up to the end
// of what was read is defined. Of several only those of known places are, such as the ends of segments; a raw sum of
// offsets, without earlier generations, is taken too. A number that is none of them, or that two different places have,
// is refused.
func (g Generations) Position(n int64, known []Vector) (Vector, error) {
	if n < 0 {
		return nil, fmt.Errorf("offset %d is negative", n)
	}
	if len(g) > 0 && g[0].Partition == g[len(g)-1].Partition {
		if at, ok := g.single(n); ok {
			return Vector{at}, nil
		}
	}
	var found []Vector
	for _, raw := range []bool{false, true} {
		for _, v := range known {
			sum, err := g.Number(v)
			if raw {
				sum, err = rawSum(v), nil
			}
			if err == nil && sum == n && !slices.ContainsFunc(found, func(o Vector) bool { return slices.Equal(o, v) }) {
				found = append(found, v)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("offset %d is the sum of no known place: give the offset of each partition", n)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("offset %d is the sum of %s and of %s: give the offset of each partition", n, found[0], found[1])
}

// single returns the place of a number of one partition. A number at the end of a generation is the start of the next.
func (g Generations) single(n int64) (PartitionRange, bool) {
	for i := len(g) - 1; i >= 0; i-- {
		r := g[i].Range()
		base, err := g.base(r)
		if err != nil || n < base {
			continue
		}
		if off := n - base; off >= r.Start && off <= r.End {
			r.Start, r.End = off, off
			return r, true
		}
	}
	return PartitionRange{}, false
}

func rawSum(v Vector) int64 {
	var n int64
	for _, r := range v {
		if n > math.MaxInt64-r.End {
			return -1
		}
		n += r.End
	}
	return n
}
