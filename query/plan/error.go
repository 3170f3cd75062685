package plan

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Error is a mistake in a statement that planning found.
type Error struct {
	Pos     int    // byte in the text; -1 if it is not known
	Message string // what is wrong
	Hint    string // what to write instead; may be empty
}

// Error returns the message, and the hint after a colon.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

// unknown complains about a name that nothing has.
func unknown(pos int, what, name, of string, known []string) *Error {
	e := &Error{Pos: pos, Message: fmt.Sprintf("there is no %s %s%s", what, clip(name), of)}
	if n := cube.Nearest(name, known); n != "" {
		e.Hint = "write " + n
	}
	return e
}

// clip keeps what a user wrote within a line.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q ...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
