package duck

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// maxDepth bounds how deep JSON may nest. DuckDB stops at 1,000 nested expressions, of which each nests a few levels.
const maxDepth = 20_000

var errJSON = errors.New("not the JSON that DuckDB writes")

// value is a piece of JSON as DuckDB wrote it. It is taken apart once, at every level; scalars stay text, so that no
// number loses digits (D2).
type value struct {
	raw    string  // the whole value
	fields []field // of an object
	elems  []value // of an array
}

type field struct {
	name string
	value
}

// kind is the first byte: { [ " t f n - or a digit; 0 of no value.
func (v value) kind() byte {
	if v.raw == "" {
		return 0
	}
	return v.raw[0]
}

// get returns a field of an object; the zero value if it has none of that name.
func (v value) get(name string) value {
	for i := range v.fields {
		if v.fields[i].name == name {
			return v.fields[i].value
		}
	}
	return value{}
}

// isNull reports whether the value is null or not there.
func (v value) isNull() bool { return v.raw == "" || v.raw == "null" }

// text returns a string's value, "" for what is no string.
func (v value) text() string {
	if v.kind() != '"' {
		return ""
	}
	s, err := unquote(v.raw)
	if err != nil {
		return ""
	}
	return s
}

func (v value) isTrue() bool { return v.raw == "true" }

// integer returns a whole number, or ok=false for what is none or does not fit.
func (v value) integer() (n int64, ok bool) {
	n, err := strconv.ParseInt(v.raw, 10, 64)
	return n, err == nil
}

// unquote turns a JSON string into its text.
func unquote(raw string) (string, error) {
	plain := true
	for i := 1; i < len(raw)-1; i++ {
		if raw[i] == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return raw[1 : len(raw)-1], nil
	}
	var s string
	err := json.Unmarshal([]byte(raw), &s)
	return s, err
}

// scanner reads JSON text in one pass.
type scanner struct {
	text  string
	at    int
	depth int
}

// parseJSON reads one value, with nothing but white space around it.
func parseJSON(text string) (value, error) {
	s := scanner{text: text}
	s.space()
	v, err := s.value()
	if err != nil {
		return value{}, err
	}
	s.space()
	if s.at != len(text) {
		return value{}, s.bad()
	}
	return v, nil
}

func (s *scanner) bad() error { return fmt.Errorf("%w: at byte %d", errJSON, s.at) }

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next is the byte that comes, 0 at the end.
func (s *scanner) next() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) value() (v value, err error) {
	start := s.at
	switch c := s.next(); {
	case c == '{':
		v.fields, err = s.object()
	case c == '[':
		v.elems, err = s.array()
	case c == '"':
		err = s.quoted()
	default:
		err = s.word()
	}
	v.raw = s.text[start:s.at]
	return v, err
}

// into goes one level down and past the bracket.
func (s *scanner) into() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errJSON, maxDepth)
	}
	s.at++
	s.space()
	return nil
}

// more reads what follows an element: a comma, or the bracket that ends all.
func (s *scanner) more(end byte) (bool, error) {
	s.space()
	c := s.next()
	if c != ',' && c != end {
		return false, s.bad()
	}
	s.at++
	s.space()
	if c == end {
		s.depth--
	}
	return c == ',', nil
}

func (s *scanner) object() ([]field, error) {
	if err := s.into(); err != nil {
		return nil, err
	}
	out := []field{}
	if s.next() == '}' {
		s.at++
		s.depth--
		return out, nil
	}
	for {
		start := s.at
		if err := s.quoted(); err != nil {
			return nil, err
		}
		name, err := unquote(s.text[start:s.at])
		if err != nil {
			return nil, s.bad()
		}
		s.space()
		if s.next() != ':' {
			return nil, s.bad()
		}
		s.at++
		s.space()
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		out = append(out, field{name, v})
		if more, err := s.more('}'); err != nil || !more {
			return out, err
		}
	}
}

func (s *scanner) array() ([]value, error) {
	if err := s.into(); err != nil {
		return nil, err
	}
	out := []value{}
	if s.next() == ']' {
		s.at++
		s.depth--
		return out, nil
	}
	for {
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if more, err := s.more(']'); err != nil || !more {
			return out, err
		}
	}
}

func (s *scanner) quoted() error {
	if s.next() != '"' {
		return s.bad()
	}
	for i := s.at + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.at = i + 1
			return nil
		}
	}
	return s.bad()
}

// word reads a number, true, false or null; yyjson also writes Infinity and NaN.
func (s *scanner) word() error {
	start := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		s.at++
	}
	if s.at == start {
		return s.bad()
	}
	return nil
}

// appendQuoted writes a string as JSON. DuckDB hands out valid UTF-8 only, and takes nothing else.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
