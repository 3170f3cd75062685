package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// Error is an answer that says what is wrong (R1).
type Error struct {
	Status   int       `json:"-"`
	Code     string    `json:"code"` // one word, stable
	Message  string    `json:"message"`
	Problems []Problem `json:"problems,omitempty"`
	Line     int       `json:"line,omitempty"`   // of a statement, from 1
	Column   int       `json:"column,omitempty"` // likewise, in characters
}

// Problem is one complaint about a definition.
type Problem struct {
	Line    int    `json:"line,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Instead string `json:"instead,omitempty"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		if p.Line > 0 {
			fmt.Fprintf(&b, "line %d: ", p.Line)
		}
		b.WriteString((&cube.Problem{Path: p.Path, Message: p.Message, Instead: p.Instead}).Error())
	}
	return b.String()
}

// ErrorBody is the JSON form of an Error.
type ErrorBody struct {
	Error *Error `json:"error"`
}

func badRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "bad_request", Message: fmt.Sprintf(format, args...)}
}

// asError finds the status and the code of an error. What nobody foresaw is "internal": its text names the call that
// failed, and it is logged besides.
func asError(err error) *Error {
	var own *Error
	var def *cube.DefinitionError
	var unusable *cube.Problem
	var conflict *catalog.ConflictError
	var stale *catalog.StaleEpochError
	var overlap *catalog.OverlapError
	var taken *plan.OverlapError
	var apart *segmenter.NotAdjacentError
	var job *catalog.StaleJobError
	var wrong *RequestError
	var changed *PlanError
	var large *http.MaxBytesError
	if e := queryError(err); e != nil {
		return e
	}
	e := &Error{Status: http.StatusInternalServerError, Code: "internal", Message: err.Error()}
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &def):
		e.Status, e.Code = http.StatusUnprocessableEntity, "invalid_definition"
		e.Message = fmt.Sprintf("the definition has %d problem%s", len(def.Problems), plural(len(def.Problems)))
		for _, p := range def.Problems {
			e.Problems = append(e.Problems, Problem(p))
		}
	case errors.As(err, &unusable):
		e.Status, e.Code, e.Message = http.StatusUnprocessableEntity, "unusable", unusable.Error()
	case errors.Is(err, catalog.ErrNotFound):
		e.Status, e.Code = http.StatusNotFound, "not_found"
		e.Message = notFound(strings.TrimPrefix(e.Message, "catalog: "))
	case errors.Is(err, ingest.ErrNoTopic):
		e.Status, e.Code = http.StatusNotFound, "not_found"
	case errors.As(err, &conflict):
		e.Status, e.Code, e.Message = http.StatusConflict, "conflict", conflict.Error()
	case errors.As(err, &stale):
		e.Status, e.Code, e.Message = http.StatusConflict, "conflict", stale.Error()
	case errors.Is(err, plan.ErrNothingNew):
		e.Status, e.Code, e.Message = http.StatusConflict, "nothing_new", err.Error()
	case errors.As(err, &overlap), errors.As(err, &taken), errors.As(err, &apart), errors.As(err, &job), errors.As(err, &changed):
		e.Status, e.Code, e.Message = http.StatusConflict, "conflict", strings.TrimPrefix(err.Error(), "catalog: ")
	case errors.As(err, &wrong):
		e.Status, e.Code, e.Message = http.StatusBadRequest, "bad_request", wrong.Error()
	case errors.Is(err, catalog.ErrQueueFull):
		e.Status, e.Code = http.StatusServiceUnavailable, "unavailable"
	case errors.As(err, &large):
		e.Status, e.Code = http.StatusRequestEntityTooLarge, "too_large"
		e.Message = fmt.Sprintf("the body is over the limit of %d bytes", large.Limit)
	case errors.Is(err, catalog.ErrUnavailable), errors.Is(err, blob.ErrUnavailable), errors.Is(err, hbase.ErrNotConfigured):
		e.Status, e.Code = http.StatusServiceUnavailable, "unavailable"
	case errors.Is(err, context.DeadlineExceeded):
		e.Status, e.Code = http.StatusGatewayTimeout, "timeout"
	case errors.Is(err, context.Canceled):
		e.Status, e.Code = http.StatusServiceUnavailable, "cancelled"
	}
	return e
}

// queryError finds the status and the code of an error of a statement; nil: it is another one.
func queryError(err error) *Error {
	var sql *duck.Error
	var busy *query.BusyError
	var late *query.TimeoutError
	var memory *run.MemoryError
	var refused *query.NoCubeError
	var large *query.RawSizeError
	var rows *query.RowsError
	var fault *query.IncidentError
	var unknown *catalog.AsOfError
	var killed *query.KilledError
	var again *query.AgainError
	var types *source.TypesError
	var file *source.FileError
	var form *results.ColumnError
	switch {
	case errors.As(err, &killed):
		return &Error{Status: http.StatusConflict, Code: "killed", Message: killed.Error()}
	case errors.As(err, &again):
		return &Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: again.Error()}
	case errors.As(err, &types):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "unusable", Message: types.Error()}
	case errors.As(err, &file):
		return &Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: file.Error()}
	case errors.As(err, &form):
		return &Error{Status: http.StatusNotAcceptable, Code: "not_acceptable", Message: form.Error()}
	case errors.As(err, &unknown):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "as_of", Message: unknown.Error()}
	case errors.As(err, &sql):
		return &Error{Status: http.StatusBadRequest, Code: "bad_query", Message: sql.Error(), Line: sql.Line, Column: sql.Column}
	case errors.As(err, &busy):
		return &Error{Status: http.StatusTooManyRequests, Code: "busy", Message: busy.Error()}
	case errors.As(err, &late):
		return &Error{Status: http.StatusGatewayTimeout, Code: "timeout", Message: late.Error()}
	case errors.As(err, &memory):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "too_large", Message: memory.Error()}
	case errors.As(err, &refused):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "no_cube", Message: refused.Error()}
	case errors.As(err, &large):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "too_large", Message: large.Error()}
	case errors.As(err, &rows):
		return &Error{Status: http.StatusUnprocessableEntity, Code: "too_large", Message: rows.Error()}
	case errors.As(err, &fault):
		return &Error{Status: http.StatusInternalServerError, Code: "internal", Message: fault.Error()}
	}
	return nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// notFound adds which command shows the names that there are.
func notFound(message string) string {
	for _, what := range []string{"cube", "table", "lookup"} {
		at := strings.LastIndex(message, what+" ")
		if strings.HasSuffix(message, ": not found") && (at == 0 || at > 0 && strings.HasSuffix(message[:at], ": ")) {
			return message[at:] + ": tidemark " + what + " list shows which there are"
		}
	}
	return message
}
