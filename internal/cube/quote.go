package cube

import (
	"fmt"
	"strings"
)

// quote returns s in double quotes, in the escapes that JSON and YAML share: one text form reads back in both.
// Characters that YAML refuses in a file are escaped. s must be UTF-8; other bytes become U+FFFD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// scalar writes text so that YAML reads it back as that text, in quotes where there is any doubt.
func scalar(s string) string {
	if plainScalar(s) {
		return s
	}
	if strings.ContainsRune(s, '"') && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return quote(s)
}

func plainScalar(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '.' || s[0] == '/' || s[0] >= '0' && s[0] <= '9' || s[0] == ')' || s[0] == '(' {
		return false
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off":
		return false
	}
	for i, r := range s {
		if !wordRune(r) && !strings.ContainsRune("-./$+()", r) && (r != ':' || i+1 == len(s) || s[i+1] != '/') {
			return false
		}
	}
	return true
}
