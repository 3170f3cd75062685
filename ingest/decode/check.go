package decode

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// checkRecord says what keeps b from being one JSON object; nil if nothing does (D2).
func checkRecord(b []byte) *BadRecord {
	switch {
	case len(bytes.TrimLeft(b, " \t\r\n")) == 0:
		return badf(Empty, 0, "the value is white space only: send a JSON object")
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return badf(ByteOrderMark, 0, "the value begins with a UTF-8 byte order mark, which JSON forbids: write the events without it (utf-8, not utf-8-sig)")
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return badf(ByteOrderMark, 0, "the value begins with a UTF-16 byte order mark: write the events in UTF-8")
	case b[0] == 0:
		return badf(NotJSON, 0, "the value begins with a zero byte, as Avro, Protobuf and JSON written with a schema registry do: only plain JSON is read; use a plain JSON serializer")
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return badf(NotJSON, 0, "the value is gzip: compress in the producer's settings (compression.type), not the events themselves")
	}
	if bad := check(b); bad != nil {
		return bad
	}
	if first := bytes.TrimLeft(b, " \t\r\n"); first[0] != '{' {
		what := jsonType(first, first[0] == '"')
		how := "send an object"
		if first[0] == '[' {
			how = "send one record for each element"
		}
		return badf(NotObject, len(b)-len(first), "the value is %s, an event is an object: %s", what, how)
	}
	return nil
}

// check says what keeps b from being one JSON value in strict notation; nil if nothing does. It is the plain
// counterpart of the fast scanner and goes byte by byte, since it must name the first offence.
func check(b []byte) *BadRecord {
	c := checker{b: b}
	end := c.value(c.space(0), 0)
	if c.bad != nil {
		return c.bad
	}
	if end = c.space(end); end < len(b) {
		return badf(NotJSON, end, "%s follows the end of the JSON value: send one event a record", showByte(b[end]))
	}
	return nil
}

type checker struct {
	b   []byte
	bad *BadRecord
}

func (c *checker) space(i int) int {
	for i >= 0 && i < len(c.b) && bytes.IndexByte([]byte(" \t\r\n"), c.b[i]) >= 0 {
		i++
	}
	return i
}

// wrong notes that something else was expected at i. Every other method passes its -1 on.
func (c *checker) wrong(i int, want string) int {
	if i >= len(c.b) {
		c.bad = badf(Truncated, len(c.b), "the value ends where %s is expected: it was cut off; look at size limits of the producer", want)
	} else {
		c.bad = badf(NotJSON, i, "%s where %s is expected", showByte(c.b[i]), want)
	}
	return -1
}

func showByte(b byte) string {
	if b > ' ' && b < 0x7f {
		return fmt.Sprintf("%q", rune(b))
	}
	return fmt.Sprintf("byte 0x%02x", b)
}

func (c *checker) value(i, depth int) int {
	if i >= len(c.b) {
		return c.wrong(i, "a value")
	}
	switch ch := c.b[i]; {
	case ch == '{' || ch == '[':
		if depth == MaxDepth {
			c.bad = badf(TooDeep, i, "more than %d objects and arrays lie in one another: send flatter events", MaxDepth)
			return -1
		}
		return c.container(i, depth+1)
	case ch == '"':
		return c.text(i + 1)
	case ch == 't':
		return c.literal(i, "true")
	case ch == 'f':
		return c.literal(i, "false")
	case ch == 'n':
		return c.literal(i, "null")
	case ch == '-' || isDigit(ch):
		return c.number(i)
	case ch == 'N' || ch == 'I':
		return c.wrong(i, "a value (JSON has no NaN or Infinity: send null)")
	case ch == '\'':
		return c.wrong(i, "a value (strings take double quotes)")
	}
	return c.wrong(i, "a value")
}

func (c *checker) container(i, depth int) int {
	object, last := c.b[i] == '{', c.b[i]+2
	if i = c.space(i + 1); i < len(c.b) && c.b[i] == last {
		return i + 1
	}
	for {
		if object {
			if i >= len(c.b) || c.b[i] != '"' {
				return c.wrong(i, "a key in quotes")
			}
			if i = c.space(c.text(i + 1)); i < 0 {
				return -1
			}
			if i >= len(c.b) || c.b[i] != ':' {
				return c.wrong(i, "a colon")
			}
			i = c.space(i + 1)
		}
		if i = c.space(c.value(i, depth)); i < 0 {
			return -1
		}
		if i < len(c.b) && c.b[i] == last {
			return i + 1
		}
		if i >= len(c.b) || c.b[i] != ',' {
			return c.wrong(i, fmt.Sprintf("a comma or %q", rune(last)))
		}
		i = c.space(i + 1)
	}
}

// text checks the string whose opening quote is before b[i].
func (c *checker) text(i int) int {
	for {
		switch {
		case i >= len(c.b):
			return c.wrong(i, "the end of a string")
		case c.b[i] == '"':
			return i + 1
		case c.b[i] == '\\':
			if i = c.escape(i + 1); i < 0 {
				return -1
			}
		case c.b[i] < ' ':
			return c.wrong(i, "an escape such as \\n or \\u0000 (strings hold no bare control characters)")
		default:
			r, size := utf8.DecodeRune(c.b[i:])
			if r == utf8.RuneError && size == 1 {
				if !utf8.FullRune(c.b[i:]) {
					return c.wrong(len(c.b), "the rest of a character")
				}
				c.bad = badf(InvalidUTF8, i, "%s is not UTF-8: encode the events in UTF-8, binary data in base64", showByte(c.b[i]))
				return -1
			}
			i += size
		}
	}
}

func (c *checker) escape(i int) int {
	if i >= len(c.b) {
		return c.wrong(i, "the rest of an escape")
	}
	switch c.b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for k := i + 1; k <= i+4; k++ {
			if k >= len(c.b) || bytes.IndexByte([]byte("0123456789abcdefABCDEF"), c.b[k]) < 0 {
				return c.wrong(k, "a hexadecimal digit")
			}
		}
		return i + 5
	}
	return c.wrong(i, "one of \"\\/bfnrtu after a backslash")
}

func (c *checker) literal(i int, word string) int {
	for k := range len(word) {
		if i+k >= len(c.b) || c.b[i+k] != word[k] {
			return c.wrong(i+k, word)
		}
	}
	return i + len(word)
}

func (c *checker) number(i int) int {
	if c.b[i] == '-' {
		i++
	}
	if i < len(c.b) && c.b[i] == '0' {
		if i++; i < len(c.b) && isDigit(c.b[i]) {
			return c.wrong(i, "no digit (numbers have no leading zeros)")
		}
	} else if i = c.digits(i); i < 0 {
		return -1
	}
	if i < len(c.b) && c.b[i] == '.' {
		if i = c.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(c.b) && (c.b[i] == 'e' || c.b[i] == 'E') {
		if i++; i < len(c.b) && (c.b[i] == '+' || c.b[i] == '-') {
			i++
		}
		return c.digits(i)
	}
	return i
}

func (c *checker) digits(i int) int {
	if i >= len(c.b) || !isDigit(c.b[i]) {
		return c.wrong(i, "a digit")
	}
	for i < len(c.b) && isDigit(c.b[i]) {
		i++
	}
	return i
}
