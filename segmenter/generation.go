package segmenter

import (
	"cmp"
	"fmt"
	"slices"
)

// Generation is what is known of one life of a partition: the offsets [Start, End) that were read in it. Only the last
// one of a partition is not closed; its End is how far reading has come.
type Generation struct {
	Partition  int32 `json:"partition"`
	Generation int32 `json:"generation"`
	Start      int64 `json:"start"`
	End        int64 `json:"end"`
	Closed     bool  `json:"closed"`
}

// Range returns the offsets of g.
func (g Generation) Range() PartitionRange {
	return PartitionRange{Partition: g.Partition, Generation: g.Generation, Start: g.Start, End: g.End}
}

// Generations are those of one table, ascending by partition and generation.
type Generations []Generation

// Validate reports the first thing that is wrong: numbers, order, or an open generation before a later one.
func (g Generations) Validate() error {
	for i, x := range g {
		if err := x.Range().Validate(); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		before := g[i-1]
		if compareLine(before.Range(), x.Range()) >= 0 {
			return fmt.Errorf("generations %s and %s: want them ascending by partition and generation", before.Range(), x.Range())
		}
		if before.Partition == x.Partition && !before.Closed {
			return fmt.Errorf("generation %s is open, but a later one began at %s", before.Range(), x.Range())
		}
	}
	return nil
}

// Of returns the generations of one partition.
func (g Generations) Of(partition int32) Generations {
	byPartition := func(x Generation, p int32) int { return cmp.Compare(x.Partition, p) }
	i, _ := slices.BinarySearchFunc(g, partition, byPartition)
	j := i
	for j < len(g) && g[j].Partition == partition {
		j++
	}
	return g[i:j]
}

// Line returns a generation, or ok=false where it is not known.
func (g Generations) Line(partition, generation int32) (Generation, bool) {
	for _, x := range g.Of(partition) {
		if x.Generation == generation {
			return x, true
		}
	}
	return Generation{}, false
}

// Read returns all offsets that were read: a range for every generation.
func (g Generations) Read() Vector {
	out := make(Vector, len(g))
	for i, x := range g {
		out[i] = x.Range()
	}
	return out
}

// NotAdjacentError says why one vector does not go on where another ends (S6).
type NotAdjacentError struct {
	After PartitionRange // of the first vector; zero if it says nothing of the partition
	Next  PartitionRange
	Why   string
}

func (e *NotAdjacentError) Error() string {
	return fmt.Sprintf("%s does not go on where the segment before it ends: %s", e.Next, e.Why)
}

// Abuts reports whether next goes on where v ends: Adjacent without the reason.
func (v Vector) Abuts(next Vector, g Generations) bool { return v.Adjacent(next, g) == nil }

// Adjacent returns nil if every partition of next starts where v's ends, else a *NotAdjacentError for the first that
// does not (S6). The end of a closed generation and the start of the one after it are one place, generations without
// offsets between them are passed over. A partition that v says nothing of must start at its first known offset.
// Partitions that next says nothing of stay where they are.
func (v Vector) Adjacent(next Vector, g Generations) error {
	i := 0
	for j, n := range next {
		if j > 0 && next[j-1].Partition == n.Partition {
			if err := g.follows(next[j-1], n); err != nil {
				return err
			}
			continue
		}
		var last *PartitionRange
		for ; i < len(v) && v[i].Partition <= n.Partition; i++ {
			if v[i].Partition == n.Partition {
				last = &v[i]
			}
		}
		var err error
		if last == nil {
			err = g.begins(n)
		} else {
			err = g.follows(*last, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begins returns nil if nothing of n's partition lies before n.
func (g Generations) begins(n PartitionRange) error {
	for _, x := range g.Of(n.Partition) {
		switch {
		case x.Generation > n.Generation:
			return nil
		case x.Generation == n.Generation && x.Start == n.Start:
			return nil
		case x.Generation == n.Generation:
			return &NotAdjacentError{Next: n, Why: fmt.Sprintf("the partition is new to it and begins at %d", x.Start)}
		case x.Start < x.End:
			return &NotAdjacentError{Next: n, Why: fmt.Sprintf("the partition is new to it and begins with %s", x.Range())}
		}
	}
	return nil
}

// follows returns nil if no offset lies between a's end and n's start, and n does not begin before it.
func (g Generations) follows(a, n PartitionRange) error {
	bad := func(format string, args ...any) error {
		return &NotAdjacentError{After: a, Next: n, Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case a.Generation == n.Generation && a.End == n.Start:
		return nil
	case a.Generation == n.Generation:
		return bad("that one ends at %d", a.End)
	case a.Generation > n.Generation:
		return bad("that one ends in generation %d", a.Generation)
	}
	known := int32(0)
	for _, x := range g.Of(n.Partition) {
		if x.Generation < a.Generation || x.Generation > n.Generation {
			continue
		}
		known++
		switch {
		case x.Generation < n.Generation && !x.Closed:
			return bad("generation %d is not closed", x.Generation)
		case x.Generation == a.Generation && x.End != a.End:
			return bad("that one ends at %d, its generation at %d", a.End, x.End)
		case x.Generation == n.Generation && x.Start != n.Start:
			return bad("its generation begins at %d", x.Start)
		case x.Generation > a.Generation && x.Generation < n.Generation && x.Start < x.End:
			return bad("%s lies between them", x.Range())
		}
	}
	if known != n.Generation-a.Generation+1 {
		return bad("the generations from %d to %d are not all known", a.Generation, n.Generation)
	}
	return nil
}
