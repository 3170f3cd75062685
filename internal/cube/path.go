package cube

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a path. They bound what a decoder compiled from a definition can cost.
const (
	maxPathSteps = 32
	maxPathIndex = 9999
	maxPathBytes = 1024
)

// Step is one step of a Path: a key of an object, or an element of an array.
type Step struct {
	Key   string // set when Index is -1; may be empty, {"": 1} is JSON
	Index int    // 0-based; -1 when the step is a key
}

// Path leads from an event to a value inside it. The first step is always a key, since an event is a JSON object.
type Path []Step

// ParsePath reads the text form of a path: keys joined by dots, array elements in brackets, and keys that hold a dot, a
// bracket, a quote, a backslash, white space or nothing as a JSON string in brackets: page.tags[0].x, a["b.c"].
func ParsePath(s string) (Path, error) {
	if s == "" {
		return nil, pathError(s, 0, "is empty", "write a key such as page.url")
	}
	if len(s) > maxPathBytes {
		return nil, pathError(s[:32]+"...", 0, fmt.Sprintf("has more than %d bytes", maxPathBytes), "use a shorter one")
	}
	if !utf8.ValidString(s) {
		return nil, pathError(strings.ToValidUTF8(s, "\uFFFD"), 0, "is not UTF-8", "save the definition as UTF-8")
	}
	var p Path
	for i := 0; i < len(s); {
		var st Step
		var err error
		if st, i, err = parseStep(s, i); err != nil {
			return nil, err
		}
		if len(p) == 0 && st.Index >= 0 {
			return nil, pathError(s, 0, "begins with an index, but an event is a JSON object", "begin with a key")
		}
		if p = append(p, st); len(p) > maxPathSteps {
			return nil, pathError(s, i, fmt.Sprintf("has more than %d steps", maxPathSteps), "take a value nearer to the top as json")
		}
	}
	return p, nil
}

// parseStep reads the step at s[i:] and returns where the next one begins.
func parseStep(s string, i int) (Step, int, error) {
	if s[i] == '[' {
		if i+1 < len(s) && s[i+1] == '"' {
			return parseQuotedKey(s, i)
		}
		return parseIndex(s, i)
	}
	if i > 0 {
		if s[i] != '.' {
			return Step{}, 0, pathError(s, i, "needs a dot or a bracket here", "write "+s[:i]+"."+s[i:])
		}
		i++
	}
	end := i
	for end < len(s) && bareByte(s[end]) {
		end++
	}
	switch {
	case end == i && (end == len(s) || s[end] == '.' || s[end] == '['):
		return Step{}, 0, pathError(s, i, "has an empty key", `remove a dot, or write [""] for a key that is really empty`)
	case end < len(s) && s[end] != '.' && s[end] != '[':
		return Step{}, 0, pathError(s, end, fmt.Sprintf("has %q in a plain key", s[end]), `write the key in brackets and quotes: a["b c"]`)
	}
	return Step{Key: s[i:end], Index: -1}, end, nil
}

func parseQuotedKey(s string, i int) (Step, int, error) {
	const how = `write a["b.c"], with \" for a quote`
	end := i + 2
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s) {
		return Step{}, 0, pathError(s, i, "has a quote that is never closed", how)
	}
	if end+1 >= len(s) || s[end+1] != ']' {
		return Step{}, 0, pathError(s, end, "needs ] after the closing quote", how)
	}
	var key string
	if err := json.Unmarshal([]byte(s[i+1:end+1]), &key); err != nil {
		return Step{}, 0, pathError(s, i, "has a key that is no JSON string", how)
	}
	return Step{Key: key, Index: -1}, end + 2, nil
}

func parseIndex(s string, i int) (Step, int, error) {
	const how = `write [0] for the first element, or ["key"] for a key`
	n := strings.IndexByte(s[i:], ']')
	if n < 0 {
		return Step{}, 0, pathError(s, i, "has a bracket that is never closed", how)
	}
	digits := s[i+1 : i+n]
	v, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		return Step{}, 0, pathError(s, i, fmt.Sprintf("has %q as an index", digits), how)
	}
	if v > maxPathIndex {
		return Step{}, 0, pathError(s, i, fmt.Sprintf("has an index over %d", maxPathIndex), "take the array as json")
	}
	return Step{Index: int(v)}, i + n + 1, nil
}

// bareByte says whether a key may hold c without brackets and quotes.
func bareByte(c byte) bool {
	return c > ' ' && c != 0x7f && c != '.' && c != '[' && c != ']' && c != '"' && c != '\\'
}

// String returns the shortest text that ParsePath reads back as p.
func (p Path) String() string {
	var b strings.Builder
	for i, st := range p {
		switch {
		case st.Index >= 0:
			fmt.Fprintf(&b, "[%d]", st.Index)
		case bareKey(st.Key):
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(st.Key)
		default:
			b.WriteByte('[')
			b.WriteString(quote(st.Key))
			b.WriteByte(']')
		}
	}
	return b.String()
}

func bareKey(k string) bool {
	for i := 0; i < len(k); i++ {
		if !bareByte(k[i]) {
			return false
		}
	}
	return k != ""
}

func pathError(s string, pos int, message, instead string) error {
	if pos > 0 {
		message = fmt.Sprintf("%s (at byte %d)", message, pos+1)
	}
	return &Problem{Message: fmt.Sprintf("path %q %s", s, message), Instead: instead}
}
