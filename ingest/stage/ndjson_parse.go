package stage

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// lineParser reads lines as appendLine writes them: the same names in the same order, no spaces. The files are ours and
// never change, so anything else is damage.
type lineParser struct {
	schema *Schema
	names  []string
	wanted []bool
	b      []byte // what is left of the line
	text   []byte // the last string, without escapes

	skipped Column // takes the values of columns that are not wanted
}

// parse appends the row of a line.
func (p *lineParser) parse(c *Chunk, line []byte) error {
	p.b = line
	if !p.literal(`{"_offset":`) {
		return p.unexpected(OffsetColumn)
	}
	off, err := strconv.ParseInt(string(p.token()), 10, 64)
	if err != nil || !p.literal(`,"_timestamp":`) {
		return p.unexpected(TimestampColumn)
	}
	ts, err := p.time(millis)
	if err != nil {
		return fmt.Errorf("%s: %w", TimestampColumn, err)
	}
	c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, ts)
	for i := range p.schema.Fields {
		f := &p.schema.Fields[i]
		coded := false
		if !p.literal(p.names[2*i]) {
			if coded = f.Binary() && p.literal(p.names[2*i+1]); !coded {
				return p.unexpected(f.Name)
			}
		}
		col := &c.Columns[i]
		if !p.wanted[i] {
			p.skipped.Kind = f.Kind
			p.skipped.Truncate(0)
			col = &p.skipped
		}
		if err := p.value(f, col, coded); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	if string(p.b) != "}" {
		return p.unexpected("the end")
	}
	return nil
}

func (p *lineParser) unexpected(what string) error {
	return fmt.Errorf("want %s at %q", what, p.b[:min(len(p.b), 40)])
}

func (p *lineParser) literal(s string) bool {
	if len(p.b) < len(s) || string(p.b[:len(s)]) != s {
		return false
	}
	p.b = p.b[len(s):]
	return true
}

// token takes the bytes up to the next comma or brace.
func (p *lineParser) token() []byte {
	n := bytes.IndexAny(p.b, ",}")
	if n < 0 {
		n = len(p.b)
	}
	t := p.b[:n]
	p.b = p.b[n:]
	return t
}

// string takes a JSON string into p.text.
func (p *lineParser) string() error {
	if !p.literal(`"`) {
		return p.unexpected("a string")
	}
	p.text = p.text[:0]
	for {
		n := bytes.IndexAny(p.b, `"\`)
		if n < 0 {
			return p.unexpected("the end of a string")
		}
		p.text = append(p.text, p.b[:n]...)
		ch := p.b[n]
		p.b = p.b[n+1:]
		if ch == '"' {
			return nil
		}
		if err := p.escape(); err != nil {
			return err
		}
	}
}

func (p *lineParser) escape() error {
	short := map[byte]byte{'"': '"', '\\': '\\', 'n': '\n', 'r': '\r', 't': '\t'}
	if len(p.b) > 0 {
		if ch, ok := short[p.b[0]]; ok {
			p.text, p.b = append(p.text, ch), p.b[1:]
			return nil
		}
	}
	if len(p.b) >= 5 && string(p.b[:3]) == "u00" {
		if v, err := strconv.ParseUint(string(p.b[3:5]), 16, 8); err == nil && v < 0x20 {
			p.text, p.b = append(p.text, byte(v)), p.b[5:]
			return nil
		}
	}
	return p.unexpected("an escape")
}

// value appends one value to col.
func (p *lineParser) value(f *Field, col *Column, coded bool) error {
	if p.literal("null") {
		col.AppendNull()
		return nil
	}
	switch f.Type.Kind {
	case cube.Bool:
		v := int64(0)
		if p.literal("true") {
			v = 1
		} else if !p.literal("false") {
			return p.unexpected("true or false")
		}
		col.AppendInt(v)
		return nil
	case cube.Int64:
		v, err := strconv.ParseInt(string(p.token()), 10, 64)
		col.AppendInt(v)
		return err
	case cube.Float64:
		v, err := p.float()
		col.AppendFloat(v)
		return err
	case cube.Date:
		v, err := p.date()
		col.AppendInt(v)
		return err
	case cube.Timestamp:
		v, err := p.time(micros)
		col.AppendInt(v)
		return err
	case cube.Decimal:
		return p.decimal(f, col)
	}
	return p.bytes(col, coded)
}

func (p *lineParser) bytes(col *Column, coded bool) error {
	if err := p.string(); err != nil {
		return err
	}
	if coded {
		raw, err := base64.StdEncoding.Strict().DecodeString(string(p.text))
		if err != nil {
			return err
		}
		p.text = append(p.text[:0], raw...)
	} else if !utf8.Valid(p.text) {
		return fmt.Errorf("a string that is not UTF-8")
	}
	if len(col.Data)+len(p.text) > math.MaxUint32 {
		return fmt.Errorf("more than %d bytes in one group", math.MaxUint32)
	}
	col.AppendBytes(p.text)
	return nil
}

func (p *lineParser) decimal(f *Field, col *Column) error {
	if err := p.string(); err != nil {
		return err
	}
	hi, lo, ok := parseDecimal(p.text, f.Type.Scale)
	if f.Kind == Int64 {
		ok = ok && int64(hi) == int64(lo)>>63
		col.AppendInt(int64(lo))
	} else {
		var b [pages.DecimalBytes]byte
		binary.BigEndian.PutUint64(b[:], hi)
		binary.BigEndian.PutUint64(b[8:], lo)
		col.AppendBytes(b[:])
	}
	if !ok {
		return fmt.Errorf("%q is no %d-digit decimal with %d digits behind the point", p.text, f.Type.Precision, f.Type.Scale)
	}
	return nil
}

func (p *lineParser) float() (float64, error) {
	if len(p.b) > 0 && p.b[0] == '"' {
		if err := p.string(); err != nil {
			return 0, err
		}
		switch string(p.text) {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		return 0, fmt.Errorf("%q is no float", p.text)
	}
	return strconv.ParseFloat(string(p.token()), 64)
}

func (p *lineParser) time(unit timeUnit) (int64, error) {
	if len(p.b) == 0 || p.b[0] != '"' {
		return strconv.ParseInt(string(p.token()), 10, 64)
	}
	if err := p.string(); err != nil {
		return 0, err
	}
	t, err := time.Parse(unit.layout(), string(p.text))
	if err != nil {
		return 0, err
	}
	if unit == millis {
		return t.UnixMilli(), nil
	}
	return t.UnixMicro(), nil
}

func (p *lineParser) date() (int64, error) {
	if len(p.b) == 0 || p.b[0] != '"' {
		return strconv.ParseInt(string(p.token()), 10, 64)
	}
	if err := p.string(); err != nil {
		return 0, err
	}
	t, err := time.Parse(dateLayout, string(p.text))
	if err != nil {
		return 0, err
	}
	return t.Unix() / 86400, nil // exact: whole days, before 1970 too
}
