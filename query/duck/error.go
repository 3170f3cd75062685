package duck

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kinds of errors that callers tell apart. The others are DuckDB's names in lower case, such as "binder", "conversion",
// "out of range", "parameter".
const (
	KindRefused     = "refused" // may not be said here
	KindCatalog     = "catalog" // no table or function of that name
	KindParser      = "parser"
	KindUnsupported = "unsupported"   // DuckDB or the answer cannot do it
	KindParameter   = "parameter"     // a value of one is lacking or wrong, or a type depends on it
	KindMemory      = "out of memory" // Options.MemoryBytes and TempBytes are used up
	KindInternal    = "internal"      // a fault of ours or of DuckDB
)

// Error is what is wrong with a statement, or went wrong while it ran. Offset, Line and Column tell where; Offset is -1
// and the others 0 where that is not known.
type Error struct {
	Kind    string
	Message string
	Hint    string // what to do, or ""
	Offset  int    // byte in the text
	Line    int    // from 1
	Column  int    // in characters, from 1
	breaks  bool   // DuckDB refuses all that comes after it
}

func (e *Error) Error() string {
	var sb strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&sb, "line %d, column %d: ", e.Line, e.Column)
	}
	sb.WriteString(e.Message)
	if e.Hint != "" {
		sb.WriteString("; " + e.Hint)
	}
	return sb.String()
}

// at sets where in the text the error is. A position past the end, or an unknown one, is none.
func (e *Error) at(text string, offset int) *Error {
	if e.Offset = offset; offset < 0 || offset > len(text) {
		e.Offset, e.Line, e.Column = -1, 0, 0
		return e
	}
	before := text[:offset]
	e.Line = 1 + strings.Count(before, "\n")
	e.Column = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return e
}

// In returns the error with its line and column in the text that its Offset is a byte of.
func (e *Error) In(text string) *Error {
	out := *e
	return out.at(text, e.Offset)
}

// fromDuckDB reads an error as DuckDB gives it: a JSON object, as the setting errors_as_json asks, or plain text.
func fromDuckDB(text, msg string) *Error {
	v, err := parseJSON(msg)
	if err != nil || v.kind() != '{' {
		return plainError(msg)
	}
	e := &Error{Kind: strings.ToLower(v.get("exception_type").text()), Message: v.get("exception_message").text()}
	return e.split().at(text, position(v))
}

// position reads the field of that name, a number within a string.
func position(v value) int {
	n, err := strconv.Atoi(v.get("position").text())
	if err != nil {
		return -1
	}
	return n
}

// plainError reads "Binder Error: message".
func plainError(msg string) *Error {
	e := &Error{Message: msg, Offset: -1}
	if kind, rest, ok := strings.Cut(msg, " Error: "); ok && !strings.Contains(kind, "\n") {
		e.Kind, e.Message = strings.ToLower(kind), rest
	}
	if e.split(); e.Kind == "" {
		e.Kind = KindInternal
	}
	return e
}

// split takes apart what DuckDB puts into one text: message, hint, and an excerpt of the statement, which is dropped.
func (e *Error) split() *Error {
	switch {
	case e.Kind == "syntax":
		e.Kind = KindParser
	case e.Kind == "fatal" || e.Kind == KindInternal:
		e.Kind, e.breaks = KindInternal, true
	case strings.HasPrefix(e.Kind, "not impl"):
		e.Kind = KindUnsupported
	case e.Kind == KindMemory, e.Message == "Allocation failure", strings.Contains(e.Message, "std::bad_alloc"):
		e.Kind, e.breaks = KindMemory, false
		e.Message, _, _ = strings.Cut(e.Message, "\n") // what follows is for who runs a DuckDB of his own
		e.Message, e.Hint = strings.TrimSuffix(e.Message, "."), "ask for less, or raise query.memory"
	}
	if i := strings.Index(e.Message, "\n\nLINE "); i >= 0 {
		e.Message = e.Message[:i]
	}
	for _, mark := range []string{"\nCandidate ", "\nDid you mean", "\nHint: "} {
		if i := strings.Index(e.Message, mark); i >= 0 {
			e.Hint = strings.Join(strings.Fields(strings.TrimPrefix(e.Message[i+1:], "Hint: ")), " ")
			e.Message = e.Message[:i]
		}
	}
	if i := strings.Index(e.Message, "\n\tCandidate functions:"); i >= 0 {
		e.Hint = candidates(e.Message[i:])
		e.Message = e.Message[:i]
	}
	if e.breaks {
		e.Message, _, _ = strings.Cut(e.Message, "\n") // a stack trace follows
	}
	e.Message = strings.TrimSpace(e.Message)
	if e.Hint != "" {
		e.Hint = strings.ToLower(e.Hint[:1]) + e.Hint[1:]
	}
	return e
}

// candidates shortens DuckDB's list of functions, one a line, of which + has 47.
func candidates(list string) string {
	const most = 4
	lines := strings.Split(strings.TrimSpace(list), "\n")[1:]
	more := ""
	if len(lines) > most {
		lines, more = lines[:most], ", ..."
	}
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return "candidates: " + strings.Join(lines, ", ") + more
}
