package lexer

import (
	"slices"
	"strconv"
	"strings"
)

// Kind says what a token is.
type Kind byte

// Kinds of tokens.
const (
	Word   Kind = iota // a name or a word of SQL, without quotes
	Name               // a name in double quotes
	Text               // a string
	Number             // begins with a digit or a point
	Param              // $1
	Sign               // anything else, mostly of one character
)

// Token is a piece of SQL.
type Token struct {
	Kind     Kind
	From, To int    // bytes of the text
	Value    string // of a word in lower case, of a name or a string without quotes
}

// Is reports whether the token is this word, in lower case, or sign.
func (t Token) Is(word string) bool { return (t.Kind == Word || t.Kind == Sign) && t.Value == word }

// Tokens reads a text.
func Tokens(sql string) []Token {
	var out []Token
	for at := 0; at < len(sql); {
		if n := blank(sql[at:]); n > 0 {
			at += n
			continue
		}
		t := next(sql, at)
		out = append(out, t)
		at = t.To
	}
	return out
}

// Statement is one of several in a text.
type Statement struct {
	Text   string
	From   int // byte of the text where it begins
	Tokens []Token
}

// Split takes statements apart at their semicolons. Empty ones are left out.
func Split(sql string) []Statement {
	var out []Statement
	var tokens []Token
	end := func() {
		if len(tokens) > 0 {
			from, to := tokens[0].From, tokens[len(tokens)-1].To
			for i := range tokens {
				tokens[i].From, tokens[i].To = tokens[i].From-from, tokens[i].To-from
			}
			out = append(out, Statement{sql[from:to], from, tokens})
		}
		tokens = nil
	}
	for _, t := range Tokens(sql) {
		if t.Is(";") {
			end()
			continue
		}
		tokens = append(tokens, t)
	}
	end()
	return out
}

// Params lists the numbers of the parameters, ascending.
func (s Statement) Params() []int {
	var out []int
	for _, t := range s.Tokens {
		if n, err := strconv.Atoi(t.Value); t.Kind == Param && err == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// blank returns how many bytes of white space and comments come first.
func blank(s string) int {
	switch {
	case strings.ContainsRune(" \t\r\n\f\v", rune(s[0])):
		return 1
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return i + 1
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		return comment(s)
	}
	return 0
}

// comment returns the length of one, which may hold others.
func comment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func next(sql string, at int) Token {
	s := sql[at:]
	switch c := s[0]; {
	case c == '\'':
		return quoted(sql, at, at, Text, false)
	case c == '"':
		return quoted(sql, at, at, Name, false)
	case (c == 'e' || c == 'E') && len(s) > 1 && s[1] == '\'':
		return quoted(sql, at, at+1, Text, true)
	case letter(c):
		n := 1
		for n < len(s) && (letter(s[n]) || digit(s[n]) || s[n] == '$') {
			n++
		}
		return Token{Word, at, at + n, strings.ToLower(s[:n])}
	case digit(c), c == '.' && len(s) > 1 && digit(s[1]):
		n := 1
		for n < len(s) && (digit(s[n]) || s[n] == '.' || letter(s[n]) || (s[n] == '+' || s[n] == '-') && (s[n-1] == 'e' || s[n-1] == 'E')) {
			n++
		}
		return Token{Number, at, at + n, s[:n]}
	case c == '$':
		return dollar(sql, at)
	}
	for _, sign := range []string{"::", "<=", ">=", "<>", "!="} {
		if strings.HasPrefix(s, sign) {
			return Token{Sign, at, at + 2, sign}
		}
	}
	return Token{Sign, at, at + 1, s[:1]}
}

// quoted reads to the quote that ends it, which is written twice to be meant itself.
func quoted(sql string, from, open int, kind Kind, backslash bool) Token {
	var value strings.Builder
	quote := sql[open]
	i := open + 1
	for ; i < len(sql); i++ {
		switch {
		case sql[i] == '\\' && backslash && i+1 < len(sql):
			i++
			value.WriteByte(sql[i])
		case sql[i] != quote:
			value.WriteByte(sql[i])
		case i+1 < len(sql) && sql[i+1] == quote:
			i++
			value.WriteByte(quote)
		default:
			return Token{kind, from, i + 1, value.String()}
		}
	}
	return Token{kind, from, len(sql), value.String()}
}

// dollar reads $1 and $tag$ ... $tag$.
func dollar(sql string, at int) Token {
	s := sql[at:]
	n := 1
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n > 1 {
		return Token{Param, at, at + n, s[1:n]}
	}
	for n < len(s) && (letter(s[n]) || digit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return Token{Sign, at, at + 1, "$"}
	}
	tag := s[:n+1]
	if end := strings.Index(s[n+1:], tag); end >= 0 {
		return Token{Text, at, at + 2*len(tag) + end, s[len(tag) : len(tag)+end]}
	}
	return Token{Text, at, len(sql), s[len(tag):]}
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
