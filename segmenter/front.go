package segmenter

import (
	"cmp"
	"slices"
)

// LowerFront returns the front of a cube that takes v in. A front says for each partition where the cube begins (S17): empty
// ranges, one a partition. The first range vector makes it; a later one moves it back where it begins before it. A partition
// that the cube did not have begins at its first known offset.
func LowerFront(front, v Vector, g Generations) Vector {
	out := slices.Clone(front)
	for _, at := range v.Starts() {
		i := slices.IndexFunc(front, func(r PartitionRange) bool { return r.Partition == at.Partition })
		if i >= 0 {
			if comparePlaces(at, out[i]) < 0 {
				out[i] = at
			}
			continue
		}
		if of := g.Of(at.Partition); len(front) > 0 && len(of) > 0 {
			first := of[0].Range()
			if first.End = first.Start; comparePlaces(first, at) < 0 {
				at = first
			}
		}
		out = append(out, at)
	}
	slices.SortFunc(out, compareLine)
	return out
}

// RaiseFront returns the front of a cube that has given up what retired held: it passes over those that begin at it, one
// after another. What lies behind a hole, or behind a segment that stays, leaves it where it is.
func RaiseFront(front Vector, retired []Vector, g Generations) Vector {
	out := slices.Clone(front)
	for moved := true; moved; {
		moved = false
		for _, v := range retired {
			for i, at := range out {
				of := v.of(at.Partition)
				if !of.Empty() && (Vector{at}).Abuts(of, g) {
					out[i], moved = of.Ends()[0], true
				}
			}
		}
	}
	return out
}

// PassFront returns the front of a cube whose segments have expired: it passes over them and over every hole before them, but
// over nothing of live, which has for each partition the first place that is still held.
func PassFront(front Vector, expired []Vector, live Vector) Vector {
	out := slices.Clone(front)
	for i, at := range front {
		to := at
		for _, v := range expired {
			if of := v.of(at.Partition); !of.Empty() && comparePlaces(of.Ends()[0], to) > 0 {
				to = of.Ends()[0]
			}
		}
		for _, first := range live.of(at.Partition).Starts() {
			if comparePlaces(first, to) < 0 {
				to = first
			}
		}
		if comparePlaces(to, at) > 0 {
			out[i] = to
		}
	}
	return out
}

// of returns the ranges of one partition.
func (v Vector) of(partition int32) Vector {
	i, _ := slices.BinarySearchFunc(v, partition, func(r PartitionRange, p int32) int { return cmp.Compare(r.Partition, p) })
	j := i
	for j < len(v) && v[j].Partition == partition {
		j++
	}
	return v[i:j]
}

// comparePlaces orders starts of ranges of one partition.
func comparePlaces(a, b PartitionRange) int {
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Start, b.Start))
}
