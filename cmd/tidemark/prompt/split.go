package prompt

import "strings"

// Split takes the statements that end with a semicolon off a text, and returns what follows the last of them (P1). A statement begins
// behind blanks and comments and has no semicolon any more; blanks and comments alone are none.
func Split(text string) (complete []string, rest string) {
	start := -1 // of the statement; -1: it has not begun
	for i := 0; i < len(text); {
		if text[i] == ';' {
			if start >= 0 {
				complete = append(complete, strings.TrimSpace(text[start:i]))
			}
			i++
			start = -1
			continue
		}
		n, blank := token(text[i:])
		if start < 0 && (n < 0 || !blank) {
			start = i
		}
		if n < 0 {
			break
		}
		i += n
	}
	if start < 0 {
		return complete, ""
	}
	return complete, text[start:]
}

// token returns the length of what a text begins with: a quoted text, a comment, or one other byte; blank is a comment too. -1: it does
// not end here.
func token(s string) (n int, blank bool) {
	switch {
	case strings.IndexByte(" \t\r\n", s[0]) >= 0:
		return 1, true
	case s[0] == '\'' || s[0] == '"': // a doubled quote is two texts side by side, which comes to the same
		return closed(s, 1, s[:1]), false
	case strings.HasPrefix(s, "--"):
		return closed(s, 2, "\n"), true
	case strings.HasPrefix(s, "/*"):
		return closed(s, 2, "*/"), true
	case s[0] == '$':
		if end := strings.IndexByte(s[1:], '$') + 2; end > 1 && isTag(s[1:end-1]) {
			return closed(s, end, s[:end]), false
		}
	}
	return 1, false
}

// closed returns how much of s there is up to the end of the first close behind from; -1: it is not there.
func closed(s string, from int, end string) int {
	at := strings.Index(s[from:], end)
	if at < 0 {
		return -1
	}
	return from + at + len(end)
}

// isTag reports whether a text may stand between the dollars of $tag$.
func isTag(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// flat is a statement in one line, as the history keeps it. One with a line end inside of quotes has none.
func flat(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); {
		n, blank := token(text[i:])
		if n < 0 {
			n = len(text) - i
		}
		switch part := text[i : i+n]; {
		case blank:
			b.WriteByte(' ')
		case strings.ContainsAny(part, "\n\r"):
			return "", false
		default:
			b.WriteString(part)
		}
		i += n
	}
	return strings.TrimSpace(b.String()), true
}
