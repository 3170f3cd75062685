package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// IncidentError says that a statement met a fault, and under which number the log says what happened. The statement has ended;
// others have not noticed (Q7).
type IncidentError struct{ Number string }

func (e *IncidentError) Error() string {
	return fmt.Sprintf("the statement met a fault, which ended it and nothing else: please report what the log says of incident %s", e.Number)
}

// fault makes an incident of what recover returned, or of an error that stands for a panic; other errors it returns as they are.
func (e *Engine) fault(r Request, recovered any, err error) error {
	var in *duck.PanicError
	var stack []byte
	switch {
	case recovered != nil:
		stack = debug.Stack()
	case errors.As(err, &in):
		recovered, stack = in.Value, in.Stack
	default:
		return err
	}
	number := fmt.Sprintf("%x-%d", time.Now().Unix(), e.incidents.Add(1))
	e.m.incidents.Inc()
	e.o.Logger.LogAttrs(context.Background(), slog.LevelError, "statement met a fault", slog.String("incident", number),
		slog.String("sql", shown(r.SQL)), slog.String("err", fmt.Sprint(recovered)), slog.String("stack", string(stack)))
	return &IncidentError{number}
}

// shown is what of a statement is kept to be shown.
func shown(sql string) string {
	if len(sql) <= maxShown {
		return sql
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(sql[n]) {
		n--
	}
	return strings.Clone(sql[:n]) // the rest of a long text is not held by it
}
