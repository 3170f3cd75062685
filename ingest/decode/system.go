package decode

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// system says where the optional system columns are; -1: not included.
type system struct {
	extra, raw, key, headers int
}

// newSystem finds the system columns, which follow the first n fields.
func newSystem(s *stage.Schema, n int) (system, error) {
	out := system{-1, -1, -1, -1}
	at := map[string]*int{
		stage.ExtraColumn: &out.extra, stage.RawColumn: &out.raw, stage.KeyColumn: &out.key, stage.HeadersColumn: &out.headers,
	}
	for i, f := range s.Fields[n:] {
		p := at[f.Name]
		if p == nil || f.Kind != stage.Bytes {
			return out, fmt.Errorf("the schema's field %s is no column of the table: it is of another version", f.Name)
		}
		*p = n + i
	}
	return out, nil
}

// append fills the system columns of the next row. The record is valid.
func (s *system) append(d *Decoder, c *stage.Chunk, r Record) {
	if s.extra >= 0 {
		d.fillExtra(&c.Columns[s.extra])
	}
	if s.raw >= 0 {
		c.Columns[s.raw].AppendBytes(r.Value)
	}
	if s.key >= 0 {
		if r.Key == nil {
			c.Columns[s.key].AppendNull()
		} else {
			c.Columns[s.key].AppendBytes(r.Key)
		}
	}
	if s.headers >= 0 {
		col := &c.Columns[s.headers]
		if len(r.Headers) == 0 {
			col.AppendNull()
			return
		}
		col.Data = appendHeaders(col.Data, r.Headers)
		col.Ends = append(col.Ends, uint32(len(col.Data)))
	}
}

// fillExtra appends _extra: null if columns name every field.
func (d *Decoder) fillExtra(col *stage.Column) {
	before := len(col.Data)
	if col.Data = d.appendExtra(col.Data); len(col.Data) == before {
		col.AppendNull()
		return
	}
	col.Ends = append(col.Ends, uint32(len(col.Data)))
}

// appendExtra appends what no column names, as an object; nothing if there is nothing.
func (d *Decoder) appendExtra(dst []byte) []byte {
	before := len(dst)
	d.extras++
	dst, _ = d.extraObject(append(dst, '{'), d.ws(0), d.root)
	if len(dst) == before+1 {
		return dst[:before]
	}
	return append(dst, '}')
}

// extraObject appends the members of the object at b[i] that no column names, without braces.
func (d *Decoder) extraObject(dst []byte, i int, n *node) ([]byte, int) {
	b := d.b
	if i = d.ws(i + 1); b[i] == '}' {
		return dst, i + 1
	}
	first := len(dst)
	for {
		k, at := d.key(i+1, n)
		st := i
		before := len(dst)
		if before > first {
			dst = append(dst, ',')
		}
		// The key as it stands: up to its closing quote, which lies before the colon and white space.
		end := at - 1
		for b[end-1] != '"' {
			end--
		}
		dst = append(append(dst, b[st:end]...), ':')
		i = d.ws(at)
		keep := true
		if k < 0 {
			dst, i = d.appendValue(dst, i)
		} else {
			dst, i, keep = d.extraField(dst, i, &n.fields[k])
		}
		if !keep {
			dst = dst[:before]
		}
		if i = d.ws(i); b[i] == '}' {
			return dst, i + 1
		}
		i = d.ws(i + 1)
	}
}

// extraField appends what is left of the value at b[i] when the columns of f are taken out; keep is false if nothing is.
// Of a key that repeats even an empty rest is kept, so that it replaces the earlier one for readers, too (D3).
func (d *Decoder) extraField(dst []byte, i int, f *field) (_ []byte, end int, keep bool) {
	repeated := f.extra == d.extras
	f.extra = d.extras
	if f.column != nil || f.child == nil {
		return dst, d.skip(i, 0), false
	}
	c := d.b[i]
	if c == 'n' {
		return append(dst, "null"...), i + 4, repeated
	}
	dst = append(dst, c)
	before := len(dst)
	if f.child.array {
		dst, end, keep = d.extraArray(dst, i, f.child)
	} else {
		dst, end = d.extraObject(dst, i, f.child)
		keep = len(dst) > before
	}
	return append(dst, c+2), end, keep || repeated
}

// extraArray appends the elements of the array at b[i]; those that columns take are null, so that places stay.
func (d *Decoder) extraArray(dst []byte, i int, n *node) (_ []byte, end int, keep bool) {
	b := d.b
	if i = d.ws(i + 1); b[i] == ']' {
		return dst, i + 1, false
	}
	for k := 0; ; k++ {
		if k > 0 {
			dst = append(dst, ',')
		}
		if f := n.element(k); f == nil {
			dst, i = d.appendValue(dst, i)
			keep = true
		} else {
			before := len(dst)
			var left bool
			if dst, i, left = d.extraField(dst, i, f); !left {
				dst = append(dst[:before], "null"...)
			}
			keep = keep || left
		}
		if i = d.ws(i); b[i] == ']' {
			return dst, i + 1, keep
		}
		i = d.ws(i + 1)
	}
}

// appendValue appends the valid value at b[i] without white space between tokens.
func (d *Decoder) appendValue(dst []byte, i int) ([]byte, int) {
	spaced := d.spaced
	end := d.skip(i, 0)
	if d.spaced == spaced {
		return append(dst, d.b[i:end]...), end
	}
	return appendCompact(dst, d.b[i:end]), end
}

// appendHeaders appends headers as a JSON array. A value that is no UTF-8 is base64 and says so; null stays null.
func appendHeaders(dst []byte, headers []stage.Header) []byte {
	dst = append(dst, '[')
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		dst = appendQuoted(dst, h.Key)
		dst = append(dst, `,"value":`...)
		switch {
		case h.Value == nil:
			dst = append(dst, "null"...)
		case utf8.Valid(h.Value):
			dst = appendQuoted(dst, h.Value)
		default:
			dst = append(dst, '"')
			dst = base64.StdEncoding.AppendEncode(dst, h.Value)
			dst = append(dst, `","encoding":"base64"`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
