package cube

import (
	"strings"
	"unicode"
)

// maxName is the length of names of projects, tables and columns.
const maxName = 63

// validName is the rule for projects and tables.
func validName(s string) bool { return validColumn(s) && s == strings.ToLower(s) }

// validColumn is the rule for columns, which may have upper case: events often have.
func validColumn(s string) bool {
	return s != "" && len(s) <= maxName && s[0] != '_' && (s[0] < '0' || s[0] > '9') &&
		!strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) })
}

func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// toName makes a name out of any text: userAgent and "User Agent" become user_agent. It returns nothing when no letter
// or digit is left.
func toName(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		lower := i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]))
		endOfCapitals := i > 0 && unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
		switch {
		case r >= 'A' && r <= 'Z':
			if lower || endOfCapitals {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	parts := strings.FieldsFunc(b.String(), func(r rune) bool { return r == '_' })
	name := strings.Join(parts, "_")
	if name != "" && name[0] <= '9' {
		name = "c_" + name
	}
	return strings.TrimRight(name[:min(len(name), maxName)], "_")
}
