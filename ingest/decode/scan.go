package decode

import (
	"encoding/binary"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// ws returns the index of the first byte from i on that is no white space.
func (d *Decoder) ws(i int) int {
	b := d.b
	st := i
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	if i > st {
		d.spaced++
	}
	return i
}

// object reads the object that begins at b[i] and fills the columns below n. It returns the index behind the object, or
// -1 if anything is unusual: bad JSON, a value that does not fit its column, or a key seen before.
func (d *Decoder) object(i int, n *node, depth int) int {
	b := d.b
	if i++; i < len(b) && b[i] <= ' ' {
		i = d.ws(i)
	}
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	guess := &n.first
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		i++
		var f *field
		if k := *guess; uint(k) < uint(len(n.fields)) && n.fields[k].matches(b, i) {
			f = &n.fields[k]
			i += f.rawLen
		} else if k, i = d.key(i, n); i < 0 {
			return -1
		} else if k >= 0 {
			*guess, f = k, &n.fields[k]
		}
		if i < len(b) && b[i] <= ' ' {
			i = d.ws(i)
		}
		if i >= len(b) {
			return -1
		}
		if f == nil {
			i = d.skip(i, depth)
		} else if f.seen == d.stamp {
			return -1 // a repeated key: D3 needs the careful reader
		} else {
			f.seen, guess = d.stamp, &f.next
			i = d.field(i, f, depth)
		}
		if i < 0 {
			return -1
		}
		if i < len(b) && b[i] <= ' ' {
			i = d.ws(i)
		}
		if i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		if i++; i < len(b) && b[i] <= ' ' {
			i = d.ws(i)
		}
	}
}

// matches reports whether the key that begins at b[i], with its closing quote and a colon, is that of f.
func (f *field) matches(b []byte, i int) bool {
	if i+16 <= len(b) {
		x := (binary.LittleEndian.Uint64(b[i:]) ^ f.w0) & f.m0
		y := (binary.LittleEndian.Uint64(b[i+8:]) ^ f.w1) & f.m1
		if x|y != 0 || f.rawLen == 0 {
			return false
		}
		if f.rawLen <= 16 {
			return true
		}
	}
	e := i + f.rawLen
	return f.rawLen > 0 && e <= len(b) && b[e-1] == ':' && b[e-2] == '"' && string(b[i:e-2]) == f.key
}

// key reads a key that was not guessed and its colon. It returns the field's index, -1 for an unknown one.
func (d *Decoder) key(i int, n *node) (int, int) {
	b := d.b
	e, flags := d.str(i)
	if e < 0 {
		return -1, -1
	}
	key := b[i : e-1]
	if flags&escaped != 0 {
		m := len(d.scratch)
		d.scratch = appendUnescaped(d.scratch, key)
		key = d.scratch[m:]
	}
	if e < len(b) && b[e] <= ' ' {
		e = d.ws(e)
	}
	if e >= len(b) || b[e] != ':' {
		return -1, -1
	}
	return n.find(key), e + 1
}

// field reads the value at b[i] for the columns at and below f.
func (d *Decoder) field(i int, f *field, depth int) int {
	if f.more == nil {
		if f.child == nil {
			return d.leaf(i, f.column, depth)
		}
		if f.column == nil {
			return d.container(i, f.child, depth)
		}
	}
	// Rare: the value is a column, and so is something inside it, or there are several columns of it.
	end := i
	if f.child != nil {
		end = d.container(i, f.child, depth)
	}
	if end >= 0 && f.column != nil {
		end = d.leaf(i, f.column, depth)
	}
	for _, c := range f.more {
		if end >= 0 {
			end = d.leaf(i, c, depth)
		}
	}
	return end
}

func (d *Decoder) container(i int, n *node, depth int) int {
	switch c := d.b[i]; {
	case c == '{' && !n.array:
		return d.object(i, n, depth+1)
	case c == '[' && n.array:
		return d.array(i, n, depth+1)
	case c == 'n':
		return literal(d.b, i, "null")
	}
	return -1
}

// array reads the array that begins at b[i] and fills the columns below n.
func (d *Decoder) array(i int, n *node, depth int) int {
	b := d.b
	if i = d.ws(i + 1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for k := 0; ; k++ {
		if i >= len(b) {
			return -1
		}
		if f := n.element(k); f != nil {
			f.seen = d.stamp
			i = d.field(i, f, depth)
		} else {
			i = d.skip(i, depth)
		}
		if i < 0 {
			return -1
		}
		if i = d.ws(i); i >= len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = d.ws(i + 1)
	}
}

// leaf reads the value at b[i] into column c. A null leaves the column without a value.
func (d *Decoder) leaf(i int, c *column, depth int) int {
	b := d.b
	col := &d.chunk.Columns[c.at]
	if b[i] == 'n' {
		return literal(b, i, "null")
	}
	switch c.parser {
	case asString:
		if b[i] != '"' {
			return -1
		}
		e, flags := d.str(i + 1)
		if e < 0 {
			return -1
		}
		if flags&escaped == 0 {
			col.Data = append(col.Data, b[i+1:e-1]...)
		} else {
			col.Data = appendUnescaped(col.Data, b[i+1:e-1])
		}
		col.Ends = append(col.Ends, uint32(len(col.Data)))
		i = e
	case asInt64:
		v, e := scanInt(b, i)
		if e < 0 {
			return -1
		}
		col.Ints = append(col.Ints, v)
		i = e
	case asRFC3339:
		if b[i] != '"' {
			return -1
		}
		e, flags := d.str(i + 1)
		if e < 0 || flags != 0 {
			return -1
		}
		us, ok := parseRFC3339(b[i+1 : e-1])
		if !ok {
			return -1
		}
		col.Ints = append(col.Ints, us)
		i = e
	case asBool:
		v, word := int64(1), "true"
		if b[i] == 'f' {
			v, word = 0, "false"
		}
		if i = literal(b, i, word); i < 0 {
			return -1
		}
		col.Ints = append(col.Ints, v)
	case asFloat64:
		v, e := scanFloat(b, i)
		if e < 0 {
			return -1
		}
		col.Floats = append(col.Floats, v)
		i = e
	default:
		i = d.otherLeaf(i, c, col, depth)
	}
	d.filled++
	return i
}

// otherLeaf finds the end of a value first and parses it then.
func (d *Decoder) otherLeaf(i int, c *column, col *stage.Column, depth int) int {
	spaced := d.spaced
	end := d.skip(i, depth)
	if end < 0 {
		return -1
	}
	raw := d.b[i:end]
	if c.parser == asJSON {
		if d.spaced == spaced {
			col.Data = append(col.Data, raw...)
		} else {
			col.Data = appendCompact(col.Data, raw)
		}
		col.Ends = append(col.Ends, uint32(len(col.Data)))
		return end
	}
	var v value
	if bad := d.parseRaw(c, &v, raw); bad != nil {
		return -1
	}
	push(col, &v)
	return end
}

// literal returns the index behind word, or -1 if it is not at b[i].
func literal(b []byte, i int, word string) int {
	if e := i + len(word); e <= len(b) && string(b[i:e]) == word {
		return e
	}
	return -1
}
