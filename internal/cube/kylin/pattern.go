package kylin

import (
	"fmt"
	"strings"
	"unicode"
)

// patternParts are the parts that patterns of Java and layouts of Go have in common; a part comes before those it begins with.
var patternParts = []struct{ java, layout string }{
	{"yyyy", "2006"}, {"MM", "01"}, {"dd", "02"}, {"HH", "15"}, {"mm", "04"}, {"ss", "05"}, {"SSS", "000"}, {"XXX", "Z07:00"}, {"Z", "-0700"},
}

// goLayout turns a pattern of Java into a layout of Go; Kylin's times are in GMT. Letters in quotes stand for themselves.
func goLayout(pattern string) (string, error) {
	var out strings.Builder
	for rest := pattern; rest != ""; {
		c := rest[0]
		switch {
		case c == '\'':
			text, after, closed := strings.Cut(rest[1:], "'")
			if !closed || strings.ContainsAny(text, "0123456789") {
				return "", fmt.Errorf("%s: quotes hold no digits, and end", rest)
			}
			out.WriteString(text)
			rest = after
		case unicode.IsLetter(rune(c)):
			run := rest[:len(rest)-len(strings.TrimLeft(rest, string(c)))]
			layout := ""
			for _, p := range patternParts {
				if p.java == run {
					layout = p.layout
				}
			}
			// Go reads a fraction only behind a point or comma.
			if layout == "" || run == "SSS" && !strings.HasSuffix(out.String(), ".") && !strings.HasSuffix(out.String(), ",") {
				return "", fmt.Errorf("%s has no equivalent at %q", run, rest)
			}
			out.WriteString(layout)
			rest = rest[len(run):]
		case unicode.IsDigit(rune(c)):
			return "", fmt.Errorf("digits at %q", rest)
		default:
			out.WriteByte(c)
			rest = rest[1:]
		}
	}
	return out.String(), nil
}

// javaPattern turns a layout of Go into a pattern of Java; "" if it has a part that patterns of Kylin have not.
func javaPattern(layout string) string {
	var out strings.Builder
	last := ""
next:
	for rest := layout; rest != ""; {
		for _, p := range patternParts {
			if strings.HasPrefix(rest, p.layout) {
				if p.java == last { // three more digits of a fraction: Java would read one number of milliseconds
					return ""
				}
				out.WriteString(p.java)
				last, rest = p.java, rest[len(p.layout):]
				continue next
			}
		}
		c := rest[0]
		switch {
		case unicode.IsDigit(rune(c)):
			return ""
		case unicode.IsLetter(rune(c)):
			out.WriteString("'" + string(c) + "'")
		default:
			out.WriteByte(c)
		}
		last, rest = "", rest[1:]
	}
	if !strings.Contains(out.String(), "yyyy") {
		return ""
	}
	return out.String()
}
