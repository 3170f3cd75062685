package stage

// Kind is how a column's values lie in memory and in files.
type Kind uint8

// The kinds. A decimal of up to 18 digits is an Int64 of its unscaled value.
const (
	Bool       Kind = iota // Ints, 0 or 1
	Int64                  // Ints: int64; date: days since 1970; timestamp: microseconds since 1970 UTC; decimal(p<=18)
	Float64                // Floats
	Bytes                  // Data and Ends: string, json
	Decimal128             // Data, 16 bytes a row, big-endian two's complement of the unscaled value: decimal(p>18)
)

// Column holds the values of one column. Only the fields of its kind are set. Where a value is null its slot holds the
// zero value (no bytes), so that rows stay aligned.
type Column struct {
	Kind   Kind
	Ints   []int64
	Floats []float64
	Data   []byte
	Ends   []uint32 // Bytes: the end in Data of value i; it starts at the end of value i-1
	Nulls  []uint64 // bit i set: value i is null; bits beyond the slice are unset; nil: no nulls

	// Codes and Dict are set instead of the fields above by the reader where the file holds a dictionary:
	// value i is value Codes[i] of Dict. A null's code is 0 and its bit in Nulls is set.
	Codes []uint32
	Dict  *Column
}

// Chunk is a run of decoded events of one partition, at most ChunkRows rows, ascending by offset. A chunk never spans
// two staged files. Once sealed it never changes.
type Chunk struct {
	Offsets    []int64  // Kafka offsets
	Timestamps []int64  // Kafka timestamps, ms
	Columns    []Column // one per Schema.Fields, in order
	MinTimeUs  int64    // lowest event time; meaningless when there are no rows
	MaxTimeUs  int64
}

// ChunkRows is the most rows a chunk holds.
const ChunkRows = 8192

// Rows returns the number of rows.
func (c *Chunk) Rows() int { return len(c.Offsets) }
