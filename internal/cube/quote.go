package cube

import (
	"fmt"
	"strings"
	"unicode/utf8"
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

// validText reports whether s can be written to a definition and read back.
func validText(s string) bool { return utf8.ValidString(s) }
