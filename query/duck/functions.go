package duck

import (
	_ "embed"
	"strings"
)

//go:embed functions.txt
var functionsText string

// Kind says what a function is to a plan.
type Kind string

// Kinds of functions.
const (
	Scalar       Kind = "scalar"    // the same of the same arguments
	Aggregate    Kind = "aggregate" // of many rows one value
	WindowOnly   Kind = "window"    // only with OVER
	PerStatement Kind = "statement" // the same throughout a statement, such as now()
	Volatile     Kind = "volatile"  // another value for every row
	ManyRows     Kind = "rows"      // of one row many, such as unnest
	tableKind    Kind = "table"     // after FROM
	refusedKind  Kind = "refused"
)

// Functions knows what may be called (D4). It never changes.
type Functions struct {
	kinds   map[string]Kind
	tables  map[string]bool
	reasons map[string]string // of what is refused, also "table x"
}

// NewFunctions reads the list that is built in.
func NewFunctions() *Functions {
	f := &Functions{kinds: map[string]Kind{}, tables: map[string]bool{}, reasons: map[string]string{}}
	head := ""
	for line := range strings.Lines(functionsText) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		if h, ok := strings.CutSuffix(line, ":"); ok && !strings.ContainsAny(h, "_!&|") {
			head = h
			continue
		}
		for name := range strings.FieldsSeq(line) {
			f.add(head, strings.ToLower(name))
		}
	}
	return f
}

func (f *Functions) add(head, name string) {
	if why, ok := strings.CutPrefix(head, "refused table "); ok {
		f.reasons["table "+name] = why
	} else if why, ok := strings.CutPrefix(head, "refused "); ok {
		f.kinds[name], f.reasons[name] = refusedKind, why
	} else if Kind(head) == tableKind {
		f.tables[name] = true
	} else {
		f.kinds[name] = Kind(head)
	}
}

// Kind returns what a function or operator is, "" if there is none of that name that may be called.
func (f *Functions) Kind(name string) Kind {
	if k := f.kinds[strings.ToLower(name)]; k != refusedKind {
		return k
	}
	return ""
}

// call says why a function may not be called, or nil. table asks for a function after FROM.
func (f *Functions) call(name string, table bool) *Error {
	name = strings.ToLower(name)
	if table && f.tables[name] || !table && f.Kind(name) != "" {
		return nil
	}
	key, what := name, "function "+name
	if table {
		key, what = "table "+name, "table function "+name
	}
	if why, ok := f.reasons[key]; ok {
		return &Error{Kind: KindRefused, Message: what + " is not allowed: it gives access to " + why, Offset: -1}
	}
	known := f.kinds
	if table {
		known = map[string]Kind{}
		for n := range f.tables {
			known[n] = tableKind
		}
	}
	err := &Error{Kind: KindCatalog, Message: what + " does not exist", Offset: -1}
	names := make([]string, 0, len(known))
	for n, k := range known {
		if k != refusedKind {
			names = append(names, n)
		}
	}
	if near := nearest(name, names); near != "" {
		err.Hint = "did you mean " + near + "?"
	}
	return err
}

// nearest returns the name that differs least from the one wanted, or "" if none comes near.
func nearest(want string, names []string) string {
	best, least := "", 1+len(want)/3
	for _, n := range names {
		if d := distance(want, strings.ToLower(n), least); d < least || d == least && (best == "" || n < best) {
			best, least = n, d
		}
	}
	return best
}

// distance counts the letters to change, add or take away, up to about limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
