package lexer

import "strings"

// Array reads the elements of an array of one dimension, as {a,"b c",NULL}; a null is nil.
func Array(text string) (out [][]byte, ok bool) {
	s, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok || !strings.HasSuffix(s, "}") {
		return nil, false
	}
	if s = s[:len(s)-1]; strings.TrimSpace(s) == "" {
		return nil, true
	}
	for {
		value, rest, ok := element(s)
		if !ok {
			return nil, false
		}
		if out = append(out, value); rest == "" {
			return out, true
		}
		if s, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, false
		}
	}
}

// element reads one of an array, to before the comma.
func element(s string) (value []byte, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\r\n")
	if strings.HasPrefix(s, `"`) {
		value = []byte{}
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s):
				i++
				value = append(value, s[i])
			case s[i] == '"':
				return value, strings.TrimLeft(s[i+1:], " \t\r\n"), true
			default:
				value = append(value, s[i])
			}
		}
		return nil, "", false
	}
	end := strings.IndexByte(s, ',')
	if end < 0 {
		end = len(s)
	}
	word := strings.TrimSpace(s[:end])
	if word == "" || strings.ContainsAny(word, `{}"\`) {
		return nil, "", false
	}
	if strings.EqualFold(word, "NULL") {
		return nil, s[end:], true
	}
	return []byte(word), s[end:], true
}
