package decode

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// parseRaw parses the JSON value raw, which is valid and not null, for a column that is not json. What v points to
// holds until the next record.
func (d *Decoder) parseRaw(c *column, v *value, raw []byte) *BadRecord {
	quoted := raw[0] == '"'
	if quoted {
		raw = raw[1 : len(raw)-1]
		if bytes.IndexByte(raw, '\\') >= 0 {
			m := len(d.scratch)
			d.scratch = appendUnescaped(d.scratch, raw)
			raw = d.scratch[m:]
		}
	}
	return c.parse(v, raw, quoted)
}

// parse reads text, the content of a string if quoted, else a JSON value as it stands. It words every refusal, without
// position.
func (c *column) parse(v *value, text []byte, quoted bool) *BadRecord {
	switch c.parser {
	case asString:
		if !quoted {
			return c.wrongType(text, quoted, "a string", "use json to keep values of any type")
		}
		v.b = text
	case asBool:
		if s := string(text); quoted || s != "true" && s != "false" {
			return c.wrongType(text, quoted, "true or false", "declare the type that the values have")
		}
		v.i = 0
		if text[0] == 't' {
			v.i = 1
		}
	case asInt64:
		return c.parseInt(v, text, quoted)
	case asFloat64:
		return c.parseFloat(v, text, quoted)
	case asDecimal, asDecimal128:
		return c.parseDecimal(v, text, quoted)
	case asEpoch:
		return c.parseEpoch(v, text, quoted)
	case asJSON:
		v.b = text
	default:
		return c.parseTime(v, text, quoted)
	}
	return nil
}

func isNumber(text []byte, quoted bool) bool {
	return !quoted && (text[0] == '-' || isDigit(text[0]))
}

func (c *column) parseInt(v *value, text []byte, quoted bool) *BadRecord {
	if !isNumber(text, quoted) {
		return c.wrongType(text, quoted, "an integer", c.quotedNumber(text, quoted, "decimal(18,0)"))
	}
	n, end := scanInt(text, 0)
	if end == len(text) {
		v.i = n
		return nil
	}
	if bytes.ContainsAny(text, ".eE") {
		return c.wrongType(text, quoted, "an integer", "a fraction or exponent, even .0, is no int64; use float64 or decimal(p,s)")
	}
	return c.outOfRange(text, quoted, "int64 holds -9223372036854775808 to 9223372036854775807; use decimal(38,0) or string")
}

func (c *column) parseFloat(v *value, text []byte, quoted bool) *BadRecord {
	if !isNumber(text, quoted) {
		return c.wrongType(text, quoted, "a number", c.quotedNumber(text, quoted, "decimal(p,s)"))
	}
	f, end := scanFloat(text, 0)
	if end != len(text) {
		return c.outOfRange(text, quoted, "float64 ends at 1.8e308; use string or json")
	}
	v.f = f
	return nil
}

func (c *column) parseDecimal(v *value, text []byte, quoted bool) *BadRecord {
	if !quoted && !isNumber(text, quoted) {
		return c.wrongType(text, quoted, "a number, or a number in quotes", "declare the type that the values have")
	}
	dec, valid, fits := parseDecimal(text)
	if !valid {
		return c.badFormat(text, "a number such as -12.50", "send plain digits, or use string")
	}
	p, s := c.typ.Precision, c.typ.Scale
	if fits {
		v.hi, v.lo, fits = dec.unscaled(p, s)
	}
	if !fits {
		return c.outOfRange(text, quoted, fmt.Sprintf("%s holds %d digits before the point and %d after, and nothing is rounded; declare more, or use float64 or string", c.typeName(), p-s, s))
	}
	v.i = int64(v.lo)
	return nil
}

func (c *column) parseEpoch(v *value, text []byte, quoted bool) *BadRecord {
	if !quoted && !isNumber(text, quoted) {
		return c.wrongType(text, quoted, "a number of "+c.typ.Format+" since 1970", "declare the type that the values have")
	}
	dec, valid, fits := parseDecimal(text)
	if !valid {
		how := "send a number, or declare the time's layout"
		if _, ok := parseRFC3339(text); ok {
			how = "the values look like RFC 3339; use timestamp(rfc3339)"
		}
		return c.badFormat(text, "a number of "+c.typ.Format+" since 1970", how)
	}
	if fits {
		v.i, fits = dec.floor(epochScale(c.typ.Format))
	}
	if !fits {
		return c.outOfRange(text, quoted, "in microseconds it is beyond 64 bits; look whether the unit is another one (s, ms, us, ns)")
	}
	return nil
}

func (c *column) parseTime(v *value, text []byte, quoted bool) *BadRecord {
	if !quoted {
		how := "declare the type that the values have"
		if isNumber(text, quoted) && c.typ.Kind == cube.Timestamp {
			how = "for a number since 1970 use timestamp(s), timestamp(ms), timestamp(us) or timestamp(ns)"
		}
		return c.wrongType(text, quoted, "a string with "+c.example(), how)
	}
	ok := false
	switch c.parser {
	case asRFC3339:
		v.i, ok = parseRFC3339(text)
	case asISODate:
		if len(text) == len(isoDate) {
			v.i, ok = parseISODate(text)
		}
	case asDateLayout:
		if t, err := c.layout.parse(text); err == nil {
			y, m, d := t.Date()
			v.i, ok = daysSince1970(y, int(m), d), true
		}
	default:
		if t, err := c.layout.parse(text); err == nil {
			v.i, ok = t.UnixMicro(), true
		}
	}
	if ok {
		return nil
	}
	how := "correct the producer, or declare the layout that the values have"
	switch _, stamp := parseRFC3339(text); {
	case stamp:
		how = "the values look like RFC 3339; use timestamp(rfc3339)"
	case c.parser == asRFC3339 && len(text) >= 19 && !bytes.ContainsAny(text[10:], "Z+-"):
		how = "it has no zone: send Z or an offset such as +02:00, or use timestamp(" +
			strings.Replace("2006-01-02T15:04:05", "T", string(text[10:11]), 1) + "), which means UTC"
	case c.typ.Kind == cube.Timestamp && len(text) > 0 && number(text, 0) == len(text):
		how = "for a number since 1970 use timestamp(s), timestamp(ms), timestamp(us) or timestamp(ns)"
	}
	return c.badFormat(text, c.example(), how)
}

// example shows what a time column takes.
func (c *column) example() string {
	switch c.parser {
	case asRFC3339:
		return "a time such as 2026-11-20T10:00:00Z"
	case asISODate:
		return "a date such as 2026-11-20"
	}
	return "a time in the layout " + string(c.layout)
}

func (c *column) typeName() string {
	switch {
	case c.typ.Kind == cube.Decimal:
		return fmt.Sprintf("decimal(%d,%d)", c.typ.Precision, c.typ.Scale)
	case c.typ.Format != "":
		return fmt.Sprintf("%s(%s)", c.typ.Kind, c.typ.Format)
	}
	return string(c.typ.Kind)
}

// quotedNumber advises on numbers in quotes.
func (c *column) quotedNumber(text []byte, quoted bool, instead string) string {
	if quoted && len(text) > 0 && number(text, 0) == len(text) {
		return "a number in quotes is a string; use " + instead + ", which takes both, or send it without quotes"
	}
	return "declare the type that the values have"
}

func (c *column) wrongType(text []byte, quoted bool, want, how string) *BadRecord {
	return c.bad(WrongType, "%s is %s, %s takes %s: %s", excerpt(text, quoted), jsonType(text, quoted), c.typeName(), want, how)
}

func (c *column) badFormat(text []byte, want, how string) *BadRecord {
	return c.bad(BadFormat, "%s is not %s, as %s wants: %s", excerpt(text, true), want, c.typeName(), how)
}

func (c *column) outOfRange(text []byte, quoted bool, how string) *BadRecord {
	return c.bad(NumberRange, "%s does not fit: %s", excerpt(text, quoted), how)
}

func (c *column) bad(r Reason, format string, args ...any) *BadRecord {
	bad := badf(r, 0, format, args...)
	bad.Column, bad.Detail = c.name, c.path.String()+": "+bad.Detail
	return bad
}

// jsonType names the type of a valid JSON value.
func jsonType(text []byte, quoted bool) string {
	switch {
	case quoted:
		return "a string"
	case text[0] == '{':
		return "an object"
	case text[0] == '[':
		return "an array"
	case text[0] == 't' || text[0] == 'f':
		return "a boolean"
	case text[0] == 'n':
		return "null"
	}
	return "a number"
}
