package decode

import (
	"encoding/binary"
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// parser names how a value is read; it is finer than cube.Kind, so that the inner loop decides once.
type parser uint8

const (
	asString parser = iota
	asInt64
	asFloat64
	asBool
	asRFC3339
	asEpoch
	asTimeLayout
	asISODate
	asDateLayout
	asDecimal
	asDecimal128
	asJSON
)

// column is a table column as the decoder needs it. It never changes, so clones share it.
type column struct {
	name   string
	path   cube.Path
	at     int // index into Schema.Fields and Chunk.Columns
	parser parser
	typ    cube.Type
	layout layout // asTimeLayout, asDateLayout
	policy cube.NullPolicy
	def    value
}

// value is one parsed value; which fields count depends on the column's kind in memory.
type value struct {
	i  int64
	f  float64
	hi uint64 // with lo: Decimal128
	lo uint64
	b  []byte // not owned: points into the record or the decoder's scratch
}

// newColumn compiles a column and its default.
func newColumn(c cube.Column, at int) (*column, error) {
	text := c.Path
	if text == "" {
		text = c.Name
	}
	path, err := cube.ParsePath(text)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	out := &column{name: c.Name, path: path, at: at, typ: c.Type, policy: c.Null}
	if err := out.setParser(); err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	switch c.Null {
	case cube.NullDefault:
		if bad := out.setDefault(c.Default); bad != nil {
			return nil, fmt.Errorf("column %s: default %q: %w", c.Name, c.Default, bad)
		}
	case "", cube.NullKeep, cube.NullReject:
	default:
		return nil, fmt.Errorf("column %s: null policy %q is none of keep, default, reject", c.Name, c.Null)
	}
	return out, nil
}

func (c *column) setParser() error {
	format := c.typ.Format
	switch c.typ.Kind {
	case cube.Bool:
		c.parser = asBool
	case cube.Int64:
		c.parser = asInt64
	case cube.Float64:
		c.parser = asFloat64
	case cube.String:
		c.parser = asString
	case cube.JSON:
		c.parser = asJSON
	case cube.Decimal:
		if p, s := c.typ.Precision, c.typ.Scale; p < 1 || p > 38 || s < 0 || s > p {
			return fmt.Errorf("decimal(%d,%d) is not possible: 1 to 38 digits, 0 to all of them after the point", p, s)
		}
		if c.parser = asDecimal; c.typ.Precision > 18 {
			c.parser = asDecimal128
		}
	case cube.Date:
		if c.parser = asISODate; format != "" && format != isoDate {
			c.parser, c.layout = asDateLayout, layout(format)
		}
	case cube.Timestamp:
		switch format {
		case "", "rfc3339":
			c.parser = asRFC3339
		case "s", "ms", "us", "ns":
			c.parser = asEpoch
		default:
			c.parser, c.layout = asTimeLayout, layout(format)
		}
	default:
		return fmt.Errorf("type %q is not known", c.typ.Kind)
	}
	return nil
}

// setDefault reads a default in the notation of the type: as in JSON, but without quotes around strings.
func (c *column) setDefault(text string) *BadRecord {
	switch c.parser {
	case asString:
		c.def.b = []byte(text)
		return nil
	case asJSON:
		if bad := check([]byte(text)); bad != nil {
			return bad
		}
		c.def.b = appendCompact(nil, []byte(text))
		return nil
	case asInt64, asFloat64, asBool, asDecimal, asDecimal128, asEpoch:
		if bad := check([]byte(text)); bad != nil {
			return bad
		}
		return c.parse(&c.def, []byte(text), false)
	default:
		return c.parse(&c.def, []byte(text), true)
	}
}

// memoryKind returns how the column lies in a chunk.
func (c *column) memoryKind() stage.Kind {
	switch c.parser {
	case asBool:
		return stage.Bool
	case asFloat64:
		return stage.Float64
	case asString, asJSON:
		return stage.Bytes
	case asDecimal128:
		return stage.Decimal128
	default:
		return stage.Int64
	}
}

// push appends v as the next row of col.
func push(col *stage.Column, v *value) {
	switch col.Kind {
	case stage.Float64:
		col.Floats = append(col.Floats, v.f)
	case stage.Bytes:
		col.Data = append(col.Data, v.b...)
		col.Ends = append(col.Ends, uint32(len(col.Data)))
	case stage.Decimal128:
		col.Data = binary.BigEndian.AppendUint64(col.Data, v.hi)
		col.Data = binary.BigEndian.AppendUint64(col.Data, v.lo)
	default:
		col.Ints = append(col.Ints, v.i)
	}
}
