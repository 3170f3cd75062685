package duck

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic of ours in what DuckDB called, or in a Scan: it ends the statement, and nothing else.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("a fault while the statement ran: %v", e.Value)
}

// caught makes an error of what recover returned; nil: there was no panic. It notes it in the session, if there is one: DuckDB
// would pass on the text only.
func caught(recovered any, s *session) error {
	if recovered == nil {
		return nil
	}
	err := &PanicError{recovered, debug.Stack()}
	if s != nil {
		s.fail(err)
	}
	return err
}
