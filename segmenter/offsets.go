package segmenter

import "fmt"

// PartitionRange is a half-open range of offsets [Start, End) of one partition within one generation of its topic.
// Offsets of different generations never mix: a topic that was deleted and made again starts a new one.
type PartitionRange struct {
	Partition  int32 `json:"partition"`
	Generation int32 `json:"generation"`
	Start      int64 `json:"start"`
	End        int64 `json:"end"`
}

// Len returns the number of offsets in r.
func (r PartitionRange) Len() int64 { return r.End - r.Start }

// Empty reports whether r holds no offset.
func (r PartitionRange) Empty() bool { return r.End <= r.Start }

// Contains reports whether offset lies in r.
func (r PartitionRange) Contains(offset int64) bool { return offset >= r.Start && offset < r.End }

// SameLine reports whether r and o count offsets of the same partition and generation.
func (r PartitionRange) SameLine(o PartitionRange) bool {
	return r.Partition == o.Partition && r.Generation == o.Generation
}

// Overlaps reports whether an offset lies in both r and o.
func (r PartitionRange) Overlaps(o PartitionRange) bool {
	return r.SameLine(o) && r.Start < o.End && o.Start < r.End
}

// Abuts reports whether next starts exactly where r ends. Overlap is refused: a record counted twice is as wrong as
// a record lost. It holds within one generation.
func (r PartitionRange) Abuts(next PartitionRange) bool {
	return r.SameLine(next) && r.End == next.Start
}

// Validate reports what is wrong with r: a negative number or an end before its start.
func (r PartitionRange) Validate() error {
	switch {
	case r.Partition < 0:
		return fmt.Errorf("partition %d is negative", r.Partition)
	case r.Generation < 0:
		return fmt.Errorf("generation %d is negative", r.Generation)
	case r.Start < 0 || r.End < r.Start:
		return fmt.Errorf("range %s: want 0 <= start <= end", r)
	}
	return nil
}

// String returns "p3 [10,20)", with the generation where it is not the first.
func (r PartitionRange) String() string {
	if r.Generation == 0 {
		return fmt.Sprintf("p%d [%d,%d)", r.Partition, r.Start, r.End)
	}
	return fmt.Sprintf("p%d.g%d [%d,%d)", r.Partition, r.Generation, r.Start, r.End)
}
