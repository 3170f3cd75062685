package complaints

import (
	"errors"
	"fmt"
)

// List gathers complaints.
type List struct {
	Package string // whose options they are; stands before each

	errs []error
}

// If adds a complaint where something is wrong.
func (l *List) If(wrong bool, format string, args ...any) {
	if wrong {
		l.errs = append(l.errs, fmt.Errorf(l.Package+": "+format, args...))
	}
}

// Err returns all complaints, or nil.
func (l *List) Err() error { return errors.Join(l.errs...) }
