package source

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// PartitionColumn is a system column of records; the others are those of package stage.
const PartitionColumn = "_partition"

// timeType is how all times are handed out: microseconds since 1970 UTC, without a zone.
func timeType() arrow.DataType { return &arrow.TimestampType{Unit: arrow.Microsecond} }

// typeOf returns the type of a column in records.
func typeOf(t cube.Type) arrow.DataType {
	switch t.Kind {
	case cube.Bool:
		return arrow.FixedWidthTypes.Boolean
	case cube.Int64:
		return arrow.PrimitiveTypes.Int64
	case cube.Float64:
		return arrow.PrimitiveTypes.Float64
	case cube.Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case cube.Date:
		return arrow.FixedWidthTypes.Date32
	case cube.Timestamp:
		return timeType()
	case cube.String, cube.JSON:
		return arrow.BinaryTypes.String
	}
	return arrow.BinaryTypes.Binary // a record's raw bytes, or its key
}

// outColumn is a column that is asked for.
type outColumn struct {
	name   string
	system bool       // not among the fields of a file: an offset, a Kafka time, a partition
	field  cube.Type  // of the others
	kind   stage.Kind // likewise
	typ    arrow.DataType
}

// outColumns finds columns by name among the system's and those of a table's schema.
func outColumns(s *stage.Schema, names []string) (list []outColumn, err error) {
	for _, name := range names {
		c := outColumn{name: name, system: true}
		switch name {
		case stage.OffsetColumn:
			c.typ = arrow.PrimitiveTypes.Int64
		case stage.TimestampColumn:
			c.typ = timeType()
		case PartitionColumn:
			c.typ = arrow.PrimitiveTypes.Int32
		default:
			at := s.Field(name)
			if at < 0 {
				return nil, fmt.Errorf("version %d of the table has no column %s", s.Version, name)
			}
			f := s.Fields[at]
			c.system, c.field, c.kind, c.typ = false, f.Type, f.Kind, typeOf(f.Type)
		}
		list = append(list, c)
	}
	return list, nil
}

// Schema returns the schema of records with columns of a table, or system columns, by name. All but the system columns may be
// null: bool, int64, float64, decimal, date and timestamp (microseconds, no zone) as Arrow has them, string and json as strings.
func Schema(s *stage.Schema, names []string) (*arrow.Schema, error) {
	list, err := outColumns(s, names)
	if err != nil {
		return nil, err
	}
	return schemaOf(list), nil
}

func schemaOf(list []outColumn) *arrow.Schema {
	fields := make([]arrow.Field, len(list))
	for i, c := range list {
		fields[i] = arrow.Field{Name: c.name, Type: c.typ, Nullable: !c.system}
	}
	return arrow.NewSchema(fields, nil)
}

// recorder makes records of the chunks of one schema.
type recorder struct {
	out       *arrow.Schema
	columns   []outColumn
	schema    *stage.Schema // of the chunks
	fields    []int         // of each column in schema; -1: a system column, or one that the schema has not
	partition int32
}

// newRecorder fails with what is wrong where a column has a type that cannot be given as the one that is asked for.
func newRecorder(out *arrow.Schema, columns []outColumn, s *stage.Schema, partition int32) (*recorder, error) {
	r := &recorder{out: out, columns: columns, schema: s, fields: make([]int, len(columns)), partition: partition}
	for i, c := range columns {
		if r.fields[i] = -1; c.system {
			continue
		}
		at := s.Field(c.name)
		if at < 0 {
			continue // null: these events are older than the column
		}
		if f := s.Fields[at]; converts(f, c) == nil {
			return nil, fmt.Errorf("column %s is %s in events of version %d of the table and cannot be read as %s: read the older offsets again "+
				"(tidemark table reread), or give the column its type back and the new values a column of their own", c.name, f.Type, s.Version, c.field)
		}
		r.fields[i] = at
	}
	return r, nil
}

// needs are the fields of the chunks that are read, the event time among them if times are looked at.
func (r *recorder) needs(times bool) []int {
	list := []int{}
	add := func(at int) {
		for _, have := range list {
			if have == at {
				return
			}
		}
		list = append(list, at)
	}
	for _, at := range r.fields {
		if at >= 0 {
			add(at)
		}
	}
	if times {
		add(r.schema.EventTime)
	}
	return list
}

// record makes a record of runs of rows, which must not be empty.
func (r *recorder) record(c *stage.Chunk, runs []run) arrow.Record {
	n := 0
	for _, x := range runs {
		n += x.to - x.from
	}
	g := gather{runs: runs, n: n}
	arrays := make([]arrow.Array, len(r.columns))
	for i, col := range r.columns {
		arrays[i] = r.array(c, col, r.fields[i], &g)
	}
	rec := array.NewRecord(r.out, arrays, int64(n))
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

func (r *recorder) array(c *stage.Chunk, col outColumn, field int, g *gather) arrow.Array {
	switch {
	case col.name == stage.OffsetColumn:
		return fixed(col.typ, g.ints(c.Offsets), nil, g.n)
	case col.name == stage.TimestampColumn:
		us := g.ints(c.Timestamps)
		for i := range us {
			us[i] *= 1000
		}
		return fixed(col.typ, us, nil, g.n)
	case col.system:
		p := make([]int32, g.n)
		for i := range p {
			p[i] = r.partition
		}
		return fixed(col.typ, p, nil, g.n)
	case field < 0:
		return array.MakeArrayOfNull(memory.DefaultAllocator, col.typ, g.n)
	}
	return converts(r.schema.Fields[field], col)(&c.Columns[field], g)
}

// gather picks rows.
type gather struct {
	runs []run
	n    int
}

// ints returns copies of the values of rows.
func (g *gather) ints(vs []int64) []int64 {
	out := make([]int64, 0, g.n)
	for _, r := range g.runs {
		out = append(out, vs[r.from:r.to]...)
	}
	return out
}

// valid returns the bitmap of rows that are not null, nil where none is null.
func (g *gather) valid(c *stage.Column) []byte {
	if len(c.Nulls) == 0 {
		return nil
	}
	bits, i := make([]byte, (g.n+7)/8), 0
	for _, r := range g.runs {
		for row := r.from; row < r.to; row++ {
			if !c.IsNull(row) {
				bits[i>>3] |= 1 << (i & 7)
			}
			i++
		}
	}
	return bits
}

// plain returns the rows as a column without a dictionary and without nulls.
func (g *gather) plain(c *stage.Column) *stage.Column {
	out := &stage.Column{Kind: c.Kind}
	for _, r := range g.runs {
		out.AppendFrom(c, r.from, r.to)
	}
	return out
}

// fixed makes an array of values of one size.
func fixed[T int64 | int32 | float64](t arrow.DataType, values []T, valid []byte, n int) arrow.Array {
	return newArray(t, valid, n, arrow.GetBytes(values))
}

// newArray makes an array of a bitmap and other buffers.
func newArray(t arrow.DataType, valid []byte, n int, buffers ...[]byte) arrow.Array {
	nulls := 0
	list := []*memory.Buffer{nil}
	if valid != nil {
		nulls = array.UnknownNullCount
		list[0] = memory.NewBufferBytes(valid)
	}
	for _, b := range buffers {
		list = append(list, memory.NewBufferBytes(b))
	}
	data := array.NewData(t, n, list, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// converts returns how a field of a file becomes a column that is asked for; nil: not at all.
func converts(f stage.Field, col outColumn) func(c *stage.Column, g *gather) arrow.Array {
	from, to := f.Type, col.field
	switch {
	case from.Kind == to.Kind && (from.Kind != cube.Decimal || (from.Scale <= to.Scale && from.Precision-from.Scale <= to.Precision-to.Scale)):
	case from.Kind == cube.Int64 && to.Kind == cube.Float64:
	case from.Kind == cube.Int64 && to.Kind == cube.Decimal && to.Precision-to.Scale >= 19:
	case from.Kind == cube.JSON && to.Kind == cube.String, from.Kind == cube.String && to.Kind == cube.JSON:
	default:
		return nil
	}
	switch to.Kind {
	case cube.Bool:
		return toBits(col.typ)
	case cube.Int64, cube.Timestamp:
		return func(c *stage.Column, g *gather) arrow.Array { return fixed(col.typ, g.plain(c).Ints, g.valid(c), g.n) }
	case cube.Date:
		return toDays(col.typ)
	case cube.Float64:
		return toFloats(col.typ)
	case cube.Decimal:
		return toDecimals(from, to, col.typ)
	}
	return toBytes(col.typ)
}

func toBits(t arrow.DataType) func(c *stage.Column, g *gather) arrow.Array {
	return func(c *stage.Column, g *gather) arrow.Array {
		bits := make([]byte, (g.n+7)/8)
		for i, v := range g.plain(c).Ints {
			bits[i>>3] |= byte(v&1) << (i & 7)
		}
		return newArray(t, g.valid(c), g.n, bits)
	}
}

func toDays(t arrow.DataType) func(c *stage.Column, g *gather) arrow.Array {
	return func(c *stage.Column, g *gather) arrow.Array {
		days := make([]int32, g.n)
		for i, v := range g.plain(c).Ints {
			days[i] = int32(v)
		}
		return fixed(t, days, g.valid(c), g.n)
	}
}

func toFloats(t arrow.DataType) func(c *stage.Column, g *gather) arrow.Array {
	return func(c *stage.Column, g *gather) arrow.Array {
		p := g.plain(c)
		if p.Kind != stage.Float64 {
			p.Floats = make([]float64, g.n)
			for i, v := range p.Ints {
				p.Floats[i] = float64(v)
			}
		}
		return fixed(t, p.Floats, g.valid(c), g.n)
	}
}

// toDecimals also raises the scale: a value that has room for its digits before the point has room for zeros behind it.
func toDecimals(from, to cube.Type, t arrow.DataType) func(c *stage.Column, g *gather) arrow.Array {
	return func(c *stage.Column, g *gather) arrow.Array {
		p := g.plain(c)
		out := make([]byte, 16*g.n)
		for i := range g.n {
			var v decimal128.Num
			if p.Kind == stage.Decimal128 {
				b := p.Data[16*i:]
				v = decimal128.New(int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]))
			} else {
				v = decimal128.FromI64(p.Ints[i])
			}
			if to.Scale > from.Scale {
				v = v.IncreaseScaleBy(int32(to.Scale - from.Scale))
			}
			binary.LittleEndian.PutUint64(out[16*i:], v.LowBits())
			binary.LittleEndian.PutUint64(out[16*i+8:], uint64(v.HighBits()))
		}
		return newArray(t, g.valid(c), g.n, out)
	}
}

func toBytes(t arrow.DataType) func(c *stage.Column, g *gather) arrow.Array {
	return func(c *stage.Column, g *gather) arrow.Array {
		p := g.plain(c)
		ends := make([]int32, g.n+1)
		for i, e := range p.Ends {
			ends[i+1] = int32(e) // below 2 GiB: see maxRecordBytes
		}
		return newArray(t, g.valid(c), g.n, arrow.GetBytes(ends), p.Data)
	}
}

// maxRecordBytes bounds the bytes of one column of a record: Arrow's offsets are signed.
const maxRecordBytes = math.MaxInt32

// split cuts runs in two until no column of a record has too many bytes, nor a record too many rows.
func (r *recorder) split(c *stage.Chunk, runs []run, rows int) (list [][]run) {
	n := 0
	for _, x := range runs {
		n += x.to - x.from
	}
	if n <= 1 || (n <= rows && !r.tooLarge(c, runs)) {
		return [][]run{runs}
	}
	half, left := n/2, []run(nil)
	for i, x := range runs {
		if k := x.to - x.from; k <= half {
			left, half = append(left, x), half-k
			continue
		}
		right := append([]run{{x.from + half, x.to}}, runs[i+1:]...)
		if half > 0 {
			left = append(left, run{x.from, x.from + half})
		}
		return append(r.split(c, left, rows), r.split(c, right, rows)...)
	}
	return [][]run{left}
}

func (r *recorder) tooLarge(c *stage.Chunk, runs []run) bool {
	for _, at := range r.fields {
		if at < 0 || c.Columns[at].Kind != stage.Bytes {
			continue
		}
		col, n := &c.Columns[at], int64(0)
		if col.Dict == nil && len(col.Data) <= maxRecordBytes {
			continue
		}
		for _, x := range runs {
			for i := x.from; i < x.to; i++ {
				n += int64(len(col.Bytes(i)))
			}
		}
		if n > maxRecordBytes {
			return true
		}
	}
	return false
}
