package pgwire

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Severities of failures.
const (
	fatal   = "FATAL" // the session ends
	usual   = "ERROR"
	notice  = "NOTICE"
	warning = "WARNING"
)

// Why a statement was ended from outside.
var (
	errCancelled = errors.New("canceling statement due to user request")
	errTooLong   = errors.New("canceling statement due to statement timeout")
)

// failure is an error as PostgreSQL has it.
type failure struct {
	severity string // default ERROR
	code     string // SQLSTATE
	message  string
	detail   string
	hint     string
	position int // in characters, from 1; 0: unknown
}

func (f *failure) Error() string { return f.message }

func (f *failure) message3() *pgproto3.ErrorResponse {
	severity := f.severity
	if severity == "" {
		severity = usual
	}
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: f.code, Message: f.message, Detail: f.detail, Hint: f.hint, Position: int32(f.position),
	}
}

// fatally makes an error one that ends the session.
func fatally(err error) error {
	f := *failureOf(err)
	f.severity = fatal
	return &f
}

// failureOf gives an error its SQLSTATE.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	f = &failure{message: err.Error(), code: "XX000"}
	var (
		wrong  *duck.Error
		busy   *query.BusyError
		late   *query.TimeoutError
		killed *query.KilledError
		noCube *query.NoCubeError
		asOf   *catalog.AsOfError
		raw    *query.RawSizeError
		many   *query.RowsError
		memory *run.MemoryError
		again  *query.AgainError
	)
	switch {
	case errors.Is(err, errCancelled), errors.Is(err, errTooLong), errors.As(err, &late), errors.As(err, &killed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f.code = "57014"
	case errors.Is(err, errShutdown):
		f.code = "57P01"
	case errors.As(err, &wrong):
		f.code, f.message, f.hint = stateOf(wrong), wrong.Message, wrong.Hint
	case errors.As(err, &busy):
		f.code, f.message, f.hint = "53300", err.Error(), "try again"
	case errors.As(err, &noCube):
		f.code, f.hint = "0A000", "EXPLAIN says what a cube would need"
	case errors.As(err, &again):
		f.code = "40001" // drivers try again
	case errors.As(err, &asOf):
		f.code = "22023"
	case errors.As(err, &raw), errors.As(err, &many):
		f.code = "54000"
	case errors.As(err, &memory):
		f.code = "53200"
	case errors.Is(err, catalog.ErrNotFound):
		f.code = "42P01"
	case errors.Is(err, catalog.ErrUnavailable), errors.Is(err, blob.ErrUnavailable):
		f.code = "58030"
	}
	return f
}

// located gives a failure its place: text is the statement, which begins at byte from of what the client sent.
func located(err error, sent string, from int) error {
	f := *failureOf(err)
	var wrong *duck.Error
	if errors.As(err, &wrong) && wrong.Offset >= 0 && from+wrong.Offset <= len(sent) {
		f.position = utf8.RuneCountInString(sent[:from+wrong.Offset]) + 1
	}
	return &f
}

// states are SQLSTATEs of what DuckDB and planning say, in the order in which they are tried.
var states = []struct {
	kind  string // "": any
	words *regexp.Regexp
	code  string
}{
	{"", regexp.MustCompile(`zero byte|not UTF-8`), "22021"},
	{duck.KindParser, nil, "42601"},
	{"", regexp.MustCompile(`(?i)division by zero|divide by zero`), "22012"},
	{duck.KindRefused, regexp.MustCompile(`^(INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER|TRUNCATE|COPY|GRANT|REVOKE|VACUUM|ANALYZE|COMMENT|REFRESH|REINDEX|CLUSTER) is not allowed`), "25006"},
	{duck.KindRefused, regexp.MustCompile(`reading the file|gives access to`), "42501"},
	{duck.KindRefused, regexp.MustCompile(`at most \d|nested more than|tables are joined|too many`), "54001"},
	{duck.KindRefused, nil, "0A000"},
	{duck.KindUnsupported, nil, "0A000"},
	{duck.KindMemory, nil, "53200"},
	{duck.KindInternal, nil, "XX000"},
	{duck.KindCatalog, regexp.MustCompile(`(?i)function`), "42883"},
	{duck.KindCatalog, regexp.MustCompile(`(?i)type`), "42704"},
	{duck.KindCatalog, nil, "42P01"},
	{"", regexp.MustCompile(`there is no table|[Rr]eferenced table`), "42P01"},
	{"", regexp.MustCompile(`there is no column|[Rr]eferenced column|does not have a column|column .* not found`), "42703"},
	{"", regexp.MustCompile(`[Aa]mbiguous`), "42702"},
	{"", regexp.MustCompile(`must appear in the GROUP BY|aggregates? .*cannot|cannot contain aggregates|aggregate function`), "42803"},
	{"", regexp.MustCompile(`window function`), "42P20"},
	{"", regexp.MustCompile(`No function matches|not? function`), "42883"},
	{"", regexp.MustCompile(`(?i)cannot (compare|mix|cast|be cast|combine)|type mismatch|must be a? ?boolean|explicit type casts?`), "42804"},
	{"conversion", regexp.MustCompile(`(?i)(date|time|timestamp|interval).*(format|range)|timestamp field value`), "22007"},
	{"conversion", regexp.MustCompile(`(?i)out of range|overflow|Casting value|because the value is out`), "22003"},
	{"conversion", nil, "22P02"},
	{"out of range", nil, "22003"},
	{"", regexp.MustCompile(`(?i)overflow|out of range`), "22003"},
	{"mismatch type", nil, "42804"},
	{"invalid type", nil, "42804"},
	{"parameter", nil, "08P01"},
	{"request", nil, "22023"},
	{"invalid input", nil, "22023"},
	{"interrupt", nil, "57014"},
	{"binder", nil, "42601"},
}

// stateOf returns the SQLSTATE of what is wrong with a statement.
func stateOf(e *duck.Error) string {
	for _, s := range states {
		if (s.kind == "" || s.kind == e.Kind) && (s.words == nil || s.words.MatchString(e.Message)) {
			return s.code
		}
	}
	return "XX000"
}

// unsupported refuses what is not spoken here.
func unsupported(format string, args ...any) error {
	return &failure{code: "0A000", message: fmt.Sprintf(format, args...)}
}

// oneLine keeps what a user wrote within a message.
func oneLine(s string) string {
	const most = 80
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return s
}
