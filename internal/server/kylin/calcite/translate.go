package calcite

import (
	"fmt"
	"slices"
	"strings"
)

// Error is a mistake that is found before a parser sees the text.
type Error struct {
	At      int // byte in the text
	Message string
}

func (e *Error) Error() string { return e.Message }

// Statement is a translated one.
type Statement struct {
	SQL     string // DuckDB's
	Explain bool   // the text was EXPLAIN PLAN FOR it

	marks  []mark
	labels []label
	quoted map[string]bool // names that were in quotes
}

// mark tells that what stands at byte at of the result comes from byte from; copied: and so what follows.
type mark struct {
	at, from int
	copied   bool
}

// Origin returns the byte of the user's text from which a byte of the result comes; -1 for -1.
func (s *Statement) Origin(at int) int {
	i, _ := slices.BinarySearchFunc(s.marks, at+1, func(m mark, at int) int { return m.at - at })
	switch {
	case at < 0 || i == 0:
		return -1
	case s.marks[i-1].copied:
		return s.marks[i-1].from + at - s.marks[i-1].at
	}
	return s.marks[i-1].from
}

// Translate reads a statement. params are the values of its question marks.
func Translate(sql string, params []Param) (*Statement, error) {
	l := &lexer{sql: sql}
	all, err := l.nodes(0)
	if err != nil {
		return nil, err
	}
	if l.params != len(params) {
		return nil, &Error{At: 0, Message: fmt.Sprintf("the statement has %d parameters, and %d values were sent", l.params, len(params))}
	}
	for len(all) > 0 && all[len(all)-1].sign(";") {
		all = all[:len(all)-1]
	}
	t := &translator{s: &Statement{quoted: map[string]bool{}}, params: params}
	if rest, ok := explained(all); ok {
		t.s.Explain, all = true, rest
	}
	t.main(all)
	t.sequence(all)
	if t.err != nil {
		return nil, t.err
	}
	t.s.SQL = t.out.String()
	return t.s, nil
}

// explained returns what EXPLAIN [PLAN] [...] FOR is about.
func explained(all []node) ([]node, bool) {
	if len(all) == 0 || !all[0].is("EXPLAIN") {
		return nil, false
	}
	for i := range all {
		switch {
		case all[i].is("FOR"):
			return all[i+1:], true
		case all[i].is("SELECT"), all[i].kind == group:
			return all[i:], true
		}
	}
	return nil, false
}

// translator writes the result.
type translator struct {
	s      *Statement
	out    strings.Builder
	params []Param
	chief  *node // the SELECT that names the columns of the answer
	err    error // the first
}

// copy writes a piece of the text of the user.
func (t *translator) copy(piece string, from int) {
	t.s.marks = append(t.s.marks, mark{t.out.Len(), from, true})
	t.out.WriteString(piece)
}

// put writes what stands for a piece of the user's text.
func (t *translator) put(piece string, from int) {
	t.s.marks = append(t.s.marks, mark{t.out.Len(), from, false})
	t.out.WriteString(piece)
}

func (t *translator) blank(n *node) {
	if n.spaced && t.out.Len() > 0 {
		t.out.WriteByte(' ')
	}
}

// sequence writes nodes that follow each other.
func (t *translator) sequence(ns []node) {
	for i := 0; i < len(ns) && t.err == nil; {
		if n := &ns[i]; n.is("SELECT") {
			t.one(n)
			i += 1 + t.selected(n, ns[i+1:])
			continue
		}
		i += t.next(ns, i)
	}
}

// next writes what begins with node i, and returns how many nodes that are.
func (t *translator) next(ns []node, i int) int {
	n := &ns[i]
	first := i == 0 || !ns[i-1].sign(".")
	if k := prefix(ns[i:]); k > 0 && first {
		t.blank(n)
		ns[i+k].spaced = false
		return k
	}
	if i+1 < len(ns) && n.kind == word && ns[i+1].kind == group && first {
		call := &ns[i+1]
		switch {
		case call.text == "(" && t.call(n, call):
			return 2
		case (n.is("TIMESTAMP") || n.is("TIME")) && len(call.kids) == 1 && call.kids[0].kind == number:
			t.one(n) // how many digits of a second are kept is not said
			return 2
		}
	}
	if n.kind == word && n.text[0] == '_' && i+1 < len(ns) && ns[i+1].kind == text && !ns[i+1].spaced {
		t.blank(n) // _UTF8'...'
		return 1
	}
	t.one(n)
	return 1
}

// prefix is how many nodes of a name say what is always so: its catalog, and the schema DEFAULT.
func prefix(ns []node) int {
	k := 0
	for _, name := range []string{"defaultCatalog", "DEFAULT"} {
		if k+2 < len(ns) && ns[k].isName() && strings.EqualFold(ns[k].name(), name) && ns[k+1].sign(".") {
			k += 2
		}
	}
	return k
}

// one writes a node as it is.
func (t *translator) one(n *node) {
	t.blank(n)
	switch n.kind {
	case group:
		if n.text == "{" && t.escape(n) {
			return
		}
		t.copy(n.text, n.at)
		t.sequence(n.kids)
		t.copy(n.end, n.endAt)
	case param:
		t.param(n)
	case quoted:
		t.s.quoted[n.name()] = true
		if n.text[0] == '`' {
			t.put(quote(n.name()), n.at)
			return
		}
		t.copy(n.text, n.at)
	default:
		t.copy(n.text, n.at)
	}
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// escape writes what {fn x}, {d 'x'}, {t 'x'} and {ts 'x'} of JDBC mean.
func (t *translator) escape(n *node) bool {
	if len(n.kids) < 2 || n.end != "}" {
		return false
	}
	literal := map[string]string{"D": "DATE ", "T": "TIME ", "TS": "TIMESTAMP "}[strings.ToUpper(n.kids[0].text)]
	switch first := &n.kids[0]; {
	case first.is("fn"):
		n.kids[1].spaced = false
		t.sequence(n.kids[1:])
	case first.kind == word && literal != "" && len(n.kids) == 2 && n.kids[1].kind == text:
		t.put(literal, n.at)
		t.copy(n.kids[1].text, n.kids[1].at)
	default:
		return false
	}
	return true
}
