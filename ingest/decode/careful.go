package decode

import "github.com/tidemarkdb/tidemark/internal/cube"

// span is where the value of a column lies in the record.
type span struct {
	state      spanState
	start, end int
}

type spanState uint8

const (
	absent  spanState = iota
	isNull            // the value, or something on the way to it, is null
	present           // [start, end) is the value
	blocked           // [start, end) is on the way to the value and no container of the right kind
)

// careful reads the record again, in steps: the whole JSON, then where each column's value lies (the last one, if keys
// repeat), then the values in the columns' order. It decides whatever fast gave up on.
func (d *Decoder) careful(n int, recordMs int64) (int64, *BadRecord) {
	if bad := checkRecord(d.b); bad != nil {
		return 0, bad
	}
	clear(d.spans)
	d.scratch = d.scratch[:0]
	d.locateObject(d.ws(0), d.root)
	for _, c := range d.columns {
		if bad := d.fill(c); bad != nil {
			return 0, bad
		}
	}
	us, bad := d.eventTime(n, recordMs)
	if bad != nil {
		return 0, bad
	}
	d.fillNulls(n)
	return us, nil
}

// locateObject notes the spans of the columns below n in the valid object at b[i] and returns the index behind it.
func (d *Decoder) locateObject(i int, n *node) int {
	b := d.b
	if i = d.ws(i + 1); b[i] == '}' {
		return i + 1
	}
	for {
		k, at := d.key(i+1, n)
		if i = d.ws(at); k >= 0 {
			i = d.locateField(i, &n.fields[k])
		} else {
			i = d.skip(i, 0)
		}
		if i = d.ws(i); b[i] == '}' {
			return i + 1
		}
		i = d.ws(i + 1)
	}
}

func (d *Decoder) locateArray(i int, n *node) int {
	b := d.b
	if i = d.ws(i + 1); b[i] == ']' {
		return i + 1
	}
	for k := 0; ; k++ {
		if f := n.element(k); f != nil {
			i = d.locateField(i, f)
		} else {
			i = d.skip(i, 0)
		}
		if i = d.ws(i); b[i] == ']' {
			return i + 1
		}
		i = d.ws(i + 1)
	}
}

// locateField notes the value at b[i]; it replaces whatever an earlier, equal key said about the columns of f (D3).
func (d *Decoder) locateField(i int, f *field) int {
	end := d.skip(i, 0)
	state := absent // of the columns inside the value
	switch c := d.b[i]; {
	case c == 'n':
		state = isNull
	case f.child != nil && (c == '{' && !f.child.array || c == '[' && f.child.array):
	default:
		state = blocked
	}
	f.each(func(c *column) { d.spans[c.at] = span{state, i, end} })
	if state == isNull {
		return end
	}
	if f.column != nil {
		d.spans[f.column.at].state = present
	}
	for _, c := range f.more {
		d.spans[c.at].state = present
	}
	if state == absent {
		if f.child.array {
			d.locateArray(i, f.child)
		} else {
			d.locateObject(i, f.child)
		}
	}
	return end
}

// fill appends the located value of c, or its default; a null is left to fillNulls.
func (d *Decoder) fill(c *column) *BadRecord {
	s := d.spans[c.at]
	raw := d.b[s.start:s.end]
	switch s.state {
	case absent, isNull:
		switch {
		case c.at == d.time.at:
		case c.policy == cube.NullDefault:
			push(&d.chunk.Columns[c.at], &c.def)
		case c.policy == cube.NullReject && s.state == isNull:
			bad := c.bad(NullRejected, "is null, and the column has null: reject; use null: keep or null: default, or correct the producer")
			bad.Pos = s.start
			return bad
		case c.policy == cube.NullReject:
			return c.bad(MissingRejected, "is not in the event, and the column has null: reject; use null: keep or null: default, or correct path or producer")
		}
		return nil
	case blocked:
		bad := c.bad(WrongType, "the way there is %s, %s: an object or array is needed there; correct path, or take the outer value as json",
			excerpt(raw, false), jsonType(raw, raw[0] == '"'))
		bad.Pos = s.start
		return bad
	}
	col := &d.chunk.Columns[c.at]
	if c.parser == asJSON {
		col.Data = appendCompact(col.Data, raw)
		col.Ends = append(col.Ends, uint32(len(col.Data)))
		return nil
	}
	var v value
	if bad := d.parseRaw(c, &v, raw); bad != nil {
		bad.Pos = s.start
		if c.at == d.time.at && bad.Reason == NumberRange {
			bad.Reason = EventTimeRange // a time so far off that it does not even fit
			if text := unquote(raw); d.time.otherUnit(text, -1) != "" {
				bad.Detail = c.path.String() + ": " + excerpt(text, false) + " read as " + c.typ.Format + " is beyond all time: " + d.time.otherUnit(text, -1)
			}
		}
		return bad
	}
	push(col, &v)
	return nil
}

// eventTime returns the event time of row n if it is a possible one.
func (d *Decoder) eventTime(n int, recordMs int64) (int64, *BadRecord) {
	c, s := d.time.column, d.spans[d.time.at]
	if s.state != present {
		what := "is not in the event"
		if s.state == isNull {
			what = "is null"
		}
		bad := c.bad(NoEventTime, "%s, and it is the event time: an event without one has no place; correct the producer, or event_time and path of the table", what)
		bad.Pos = s.start
		return 0, bad
	}
	us := d.time.of(d.chunk, n)
	if d.time.possible(us, recordMs) {
		return us, nil
	}
	raw := d.b[s.start:s.end]
	bad := d.time.refusal(us, recordMs, unquote(raw), raw[0] == '"')
	bad.Column, bad.Detail, bad.Pos = c.name, c.path.String()+": "+bad.Detail, s.start
	return 0, bad
}

// unquote takes the quotes off a string, for a message; escapes stay.
func unquote(raw []byte) []byte {
	if raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}
