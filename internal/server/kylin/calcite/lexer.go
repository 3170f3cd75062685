package calcite

import "strings"

// kind is of a token.
type kind int

const (
	word   kind = iota // a name or a keyword
	quoted             // a name in "" or ``
	text               // 'a string'
	number
	param // ?
	sign  // one character of an operator, or anything else
	group // ( ), [ ] or { } with what is between
	duck  // a string that DuckDB knows and Calcite does not: E'it\'s', $x$it's$x$
)

// node is a token, or brackets with nodes inside.
type node struct {
	kind   kind
	text   string // as written; of a group its opening bracket
	at     int    // byte in the text
	spaced bool   // blanks or a comment come before
	kids   []node
	end    string // closing bracket; "" if the text ends before
	endAt  int
	number int // of a parameter, from 0
}

// is reports whether the node is the keyword, which is in capitals.
func (n *node) is(keyword string) bool { return n.kind == word && strings.EqualFold(n.text, keyword) }

// sign reports whether the node is the character.
func (n *node) sign(c string) bool { return n.kind == sign && n.text == c }

// isName reports whether the node can name something.
func (n *node) isName() bool { return n.kind == word || n.kind == quoted }

// name is what a name names: without its quotes, and as it is written.
func (n *node) name() string {
	if n.kind != quoted {
		return n.text
	}
	q := n.text[:1]
	return strings.ReplaceAll(strings.TrimSuffix(n.text[1:], q), q+q, q)
}

// label is how Calcite names a column by the node: capitals, unless it is quoted.
func (n *node) label() string {
	if n.kind == quoted {
		return n.name()
	}
	return strings.ToUpper(n.text)
}

// lexer cuts text into tokens.
type lexer struct {
	sql    string
	at     int
	params int // so far
}

// maxDepth is how deep brackets may be nested.
const maxDepth = 500

// nodes reads up to a closing bracket, which it leaves, or the end of the text.
func (l *lexer) nodes(depth int) ([]node, error) {
	var out []node
	for {
		spaced := l.blanks()
		if l.at == len(l.sql) {
			return out, nil
		}
		from, c := l.at, l.sql[l.at]
		if strings.IndexByte(")]}", c) >= 0 && depth > 0 {
			return out, nil
		}
		n := node{text: string(c), at: from, spaced: spaced}
		if end, ok := map[byte]string{'(': ")", '[': "]", '{': "}"}[c]; ok {
			if depth == maxDepth {
				return nil, &Error{At: from, Message: "brackets are nested too deep, at most 500 are allowed"}
			}
			l.at++
			kids, err := l.nodes(depth + 1)
			if err != nil {
				return nil, err
			}
			n.kind, n.kids, n.endAt = group, kids, l.at
			if strings.HasPrefix(l.sql[l.at:], end) {
				n.end = end
				l.at++
			} else if l.at < len(l.sql) {
				n.end = l.sql[l.at : l.at+1] // another bracket: the parser complains
				l.at++
			}
			out = append(out, n)
			continue
		}
		n.kind = l.token(c)
		n.text = l.sql[from:l.at]
		if n.kind == param {
			n.number = l.params
			l.params++
		}
		out = append(out, n)
	}
}

// token moves behind the token that begins with c.
func (l *lexer) token(c byte) kind {
	switch {
	case c == '\'':
		l.until('\'')
		return text
	case c == '"' || c == '`':
		l.until(c)
		return quoted
	case c|0x20 == 'e' && strings.HasPrefix(l.sql[l.at+1:], "'"):
		l.at++
		l.escaped()
		return duck
	case letter(c):
		l.while(func(c byte) bool { return letter(c) || digit(c) || c == '$' })
		return word
	case c == '$' && l.dollars():
		return duck
	case digit(c) || c == '.' && l.at+1 < len(l.sql) && digit(l.sql[l.at+1]):
		l.number()
		return number
	}
	l.at++
	if c == '?' {
		return param
	}
	return sign
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func (l *lexer) while(ok func(byte) bool) {
	for l.at < len(l.sql) && ok(l.sql[l.at]) {
		l.at++
	}
}

// until moves behind the quote that ends what begins here; two of them are one inside.
func (l *lexer) until(q byte) {
	for l.at++; l.at < len(l.sql); l.at++ {
		if l.sql[l.at] != q {
			continue
		}
		l.at++
		if l.at == len(l.sql) || l.sql[l.at] != q {
			return
		}
	}
}

// escaped moves behind the quote that ends what begins here, in which a backslash takes the next byte for what it is.
func (l *lexer) escaped() {
	for l.at++; l.at < len(l.sql); l.at++ {
		switch l.sql[l.at] {
		case '\\':
			l.at++
		case '\'':
			l.at++
			if l.at == len(l.sql) || l.sql[l.at] != '\'' {
				return
			}
		}
	}
	l.at = len(l.sql) // also where a backslash is the last byte
}

// dollars moves behind a string between two $tag$, and reports whether one begins here: $1 does not.
func (l *lexer) dollars() bool {
	rest := l.sql[l.at+1:]
	n := 0
	for n < len(rest) && (letter(rest[n]) || n > 0 && digit(rest[n])) {
		n++
	}
	if n == len(rest) || rest[n] != '$' {
		return false
	}
	mark := l.sql[l.at : l.at+n+2]
	l.at += len(mark)
	if end := strings.Index(l.sql[l.at:], mark); end >= 0 {
		l.at += end + len(mark)
	} else {
		l.at = len(l.sql) // the parser complains
	}
	return true
}

func (l *lexer) number() {
	l.while(digit)
	if l.at < len(l.sql) && l.sql[l.at] == '.' {
		l.at++
		l.while(digit)
	}
	if l.at == len(l.sql) || l.sql[l.at]|0x20 != 'e' {
		return
	}
	at := l.at
	l.at++
	if l.at < len(l.sql) && (l.sql[l.at] == '+' || l.sql[l.at] == '-') {
		l.at++
	}
	digits := l.at
	if l.while(digit); l.at == digits {
		l.at = at
	}
}

// blanks moves over blanks and comments, and reports whether there were any. To Calcite // begins a comment.
func (l *lexer) blanks() bool {
	from := l.at
	for l.at < len(l.sql) {
		rest := l.sql[l.at:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"):
			l.while(func(c byte) bool { return c != '\n' })
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.at > from // the parser complains
			}
			l.at += end + 4
		default:
			return l.at > from
		}
	}
	return l.at > from
}
