package decode

import (
	"fmt"
	"math"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// MaxDepth is how many objects and arrays may lie in one another, the event itself counted.
const MaxDepth = 200

// Record is a Kafka record. Its memory stays the caller's: a chunk holds copies.
type Record struct {
	Offset      int64
	TimestampMs int64 // -1: the broker gave none
	Key         []byte
	Value       []byte // nil: a null value (tombstone)
	Headers     []stage.Header
}

// Decoder appends records to chunks of one schema. It is for one goroutine at a time; Clone gives each its own.
type Decoder struct {
	columns  []*column // by Schema.Fields
	root     *node
	system   system
	time     timeRule
	maxBytes int

	// The record being read.
	b       []byte
	chunk   *stage.Chunk
	stamp   uint64 // marks fields seen in this event; never repeats
	filled  int    // columns that have their value
	extras  uint64 // like stamp, for _extra
	spaced  int    // counts runs of white space between tokens
	scratch []byte
	spans   []span // careful reader: by column
}

// New compiles a table that passed cube's validation. The schema must be stage.NewSchema of the table, or equal to it.
// What the definition leaves zero has the default that package cube states.
func New(t *cube.Table, s *stage.Schema) (*Decoder, error) {
	t = t.WithDefaults()
	d := &Decoder{maxBytes: t.Quarantine.MaxRecordBytes}
	if len(s.Fields) < len(t.Columns) {
		return nil, fmt.Errorf("table %s: the schema has %d fields for %d columns", t.Name, len(s.Fields), len(t.Columns))
	}
	for i, c := range t.Columns {
		col, err := newColumn(c, i)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		if f := s.Fields[i]; f.Name != c.Name || f.Kind != col.memoryKind() {
			return nil, fmt.Errorf("table %s: column %s is %s of kind %d in the schema: it is of another version", t.Name, c.Name, f.Name, f.Kind)
		}
		d.columns = append(d.columns, col)
	}
	var err error
	if d.root, err = newTrie(d.columns); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if d.system, err = newSystem(s, len(t.Columns)); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if d.time, err = newTimeRule(t, d.columns); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	d.spans = make([]span, len(d.columns))
	return d, nil
}

// Clone returns a decoder of the same table for another goroutine. d must not be in use.
func (d *Decoder) Clone() *Decoder {
	out := *d
	out.root = d.root.clone()
	out.b, out.chunk, out.scratch = nil, nil, nil
	out.spans = make([]span, len(d.columns))
	return &out
}

// Append adds the record to c as one row, or says why it is no event and leaves c as it was (D1). c must have Room.
func (d *Decoder) Append(c *stage.Chunk, r Record) *BadRecord {
	if bad := d.admit(c, r); bad != nil {
		return bad
	}
	n := c.Rows()
	d.b, d.chunk = r.Value, c
	us, ok := d.fast(n, r.TimestampMs)
	if !ok {
		c.Truncate(n)
		var bad *BadRecord
		if us, bad = d.careful(n, r.TimestampMs); bad != nil {
			c.Truncate(n)
			d.release()
			return bad
		}
	}
	d.system.append(d, c, r)
	c.Offsets = append(c.Offsets, r.Offset)
	c.Timestamps = append(c.Timestamps, r.TimestampMs)
	if n == 0 {
		c.MinTimeUs, c.MaxTimeUs = us, us
	} else {
		c.MinTimeUs, c.MaxTimeUs = min(c.MinTimeUs, us), max(c.MaxTimeUs, us)
	}
	d.release()
	return nil
}

// maxScratch is how much scratch memory a decoder keeps from one record to the next.
const maxScratch = 1 << 20

// release lets go of the record, and of scratch memory that only a huge one needed.
func (d *Decoder) release() {
	d.b, d.chunk = nil, nil
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
}

// smallRecord is what ChunkRows records may have each without a column's ends coming near 32 bits, even if headers
// grow sixfold by escapes.
const smallRecord = 64 << 10

// admit refuses what need not be looked into.
func (d *Decoder) admit(c *stage.Chunk, r Record) *BadRecord {
	extra := len(r.Key)
	for i := range r.Headers {
		extra += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	switch {
	case r.Value == nil:
		return badf(Tombstone, 0, "the value is null: in a compacted topic that deletes a key, it is no event; skip it, or read a topic that is not compacted")
	case len(r.Value) > d.maxBytes:
		return badf(TooLarge, 0, "the value has %d bytes, the limit is %d: raise quarantine.max_record_bytes, or send smaller events", len(r.Value), d.maxBytes)
	case extra > d.maxBytes:
		return badf(TooLarge, 0, "key and headers have %d bytes, the limit is %d: raise quarantine.max_record_bytes, or send smaller ones", extra, d.maxBytes)
	case len(r.Value) == 0:
		return badf(Empty, 0, "the value has no bytes: send a JSON object")
	}
	if extra+len(r.Value) > smallRecord && !roomFor(c, r, math.MaxUint32) {
		panic("D9: a column of the chunk would pass 4 GiB: call Room before Append")
	}
	return nil
}

// chunkBytes is where Room ends a chunk: far below what 32-bit ends can say, and a sensible piece of memory.
const chunkBytes = 256 << 20

// Room reports whether a chunk may take the record: fewer than stage.ChunkRows rows, and its columns not too long. A
// chunk without rows has room for any record.
func Room(c *stage.Chunk, r Record) bool {
	return c.Rows() == 0 || c.Rows() < stage.ChunkRows && roomFor(c, r, chunkBytes)
}

// roomFor reports whether each column of c stays within limit bytes, whatever the record holds.
func roomFor(c *stage.Chunk, r Record, limit int) bool {
	most := len(r.Value)
	for i := range r.Headers { // an escaped byte is six, and each header has a frame of its own
		most += 64 + 6*(len(r.Headers[i].Key)+len(r.Headers[i].Value))
	}
	most += len(r.Key)
	for i := range c.Columns {
		if len(c.Columns[i].Data)+most > limit {
			return false
		}
	}
	return true
}

// fast is the quick reader. Where it meets anything unusual it gives up, with columns half filled.
func (d *Decoder) fast(n int, recordMs int64) (us int64, ok bool) {
	b := d.b
	d.stamp++
	d.filled, d.scratch = 0, d.scratch[:0]
	i := 0
	if b[0] <= ' ' {
		if i = d.ws(0); i >= len(b) {
			return 0, false
		}
	}
	if b[i] != '{' {
		return 0, false
	}
	if i = d.object(i, d.root, 1); i < 0 || i < len(b) && d.ws(i) != len(b) {
		return 0, false
	}
	if d.chunk.Columns[d.time.at].Len() == n {
		return 0, false
	}
	if us = d.time.of(d.chunk, n); !d.time.possible(us, recordMs) {
		return 0, false
	}
	return us, d.filled == len(d.columns) || d.fillMissing(n)
}

// fillMissing gives the columns that have no value their null or default; false if one must have a value.
func (d *Decoder) fillMissing(n int) bool {
	for _, c := range d.columns {
		col := &d.chunk.Columns[c.at]
		if col.Len() > n {
			continue
		}
		switch c.policy {
		case cube.NullReject:
			return false
		case cube.NullDefault:
			push(col, &c.def)
		}
	}
	d.fillNulls(n)
	return true
}

// fillNulls gives the columns that still have no value a null. It comes last, when the event can no longer fail (D1).
func (d *Decoder) fillNulls(n int) {
	for _, c := range d.columns {
		if col := &d.chunk.Columns[c.at]; col.Len() == n {
			col.AppendNull()
		}
	}
}
