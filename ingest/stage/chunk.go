package stage

// Chunk is a run of decoded events of one partition, at most ChunkRows rows when it comes from the decoder and a row
// group's rows when it comes from a Reader, ascending by offset. A chunk never spans two staged files. Once sealed it
// never changes.
type Chunk struct {
	Offsets    []int64  // Kafka offsets
	Timestamps []int64  // Kafka timestamps, ms
	Columns    []Column // one per Schema.Fields, in order
	MinTimeUs  int64    // lowest event time; meaningless when there are no rows
	MaxTimeUs  int64
}

// ChunkRows is the most rows a chunk of the decoder holds.
const ChunkRows = 8192

// NewChunk returns an empty chunk for rows of s. Capacity grows on demand.
func NewChunk(s *Schema) *Chunk {
	c := &Chunk{Columns: make([]Column, len(s.Fields))}
	for i, f := range s.Fields {
		c.Columns[i].Kind = f.Kind
	}
	return c
}

// Rows returns the number of rows.
func (c *Chunk) Rows() int { return len(c.Offsets) }

// MemBytes returns what the chunk holds of memory, by capacity.
func (c *Chunk) MemBytes() int64 {
	n := int64(8 * (cap(c.Offsets) + cap(c.Timestamps)))
	for i := range c.Columns {
		n += c.Columns[i].MemBytes()
	}
	return n
}

// Reset empties the chunk and keeps its memory. No reader may hold it.
func (c *Chunk) Reset() {
	c.Truncate(0)
	c.MinTimeUs, c.MaxTimeUs = 0, 0
}

// Truncate drops the rows from n on, also from columns that are longer than Offsets: an append that failed half-way
// leaves no trace. MinTimeUs and MaxTimeUs stay. The columns have no dictionaries.
func (c *Chunk) Truncate(n int) {
	c.Offsets = c.Offsets[:min(n, len(c.Offsets))]
	c.Timestamps = c.Timestamps[:min(n, len(c.Timestamps))]
	for i := range c.Columns {
		c.Columns[i].Truncate(n)
	}
}

// AppendChunk appends copies of rows [from, to) of o, which has the same schema. Columns of o may have dictionaries,
// those of c may not. c's times become bounds: they take in all rows of o.
func (c *Chunk) AppendChunk(o *Chunk, from, to int) {
	if to <= from {
		return
	}
	if c.Rows() == 0 {
		c.MinTimeUs, c.MaxTimeUs = o.MinTimeUs, o.MaxTimeUs
	}
	c.MinTimeUs, c.MaxTimeUs = min(c.MinTimeUs, o.MinTimeUs), max(c.MaxTimeUs, o.MaxTimeUs)
	rows := c.Rows()
	c.Offsets = append(c.Offsets, o.Offsets[from:to]...)
	c.Timestamps = append(c.Timestamps, o.Timestamps[from:to]...)
	for i := range c.Columns {
		dst, src := &c.Columns[i], &o.Columns[i]
		dst.AppendFrom(src, from, to)
		if len(src.Nulls) == 0 {
			continue
		}
		for r := from; r < to; r++ {
			if src.IsNull(r) {
				dst.SetNull(rows + r - from)
			}
		}
	}
}
