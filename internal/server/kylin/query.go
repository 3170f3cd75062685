package kylin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/kylin/calcite"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// queryRequest is the body of a question, with Kylin's keys.
type queryRequest struct {
	SQL     string          `json:"sql"`
	Project string          `json:"project"`
	Offset  long            `json:"offset"` // rows that are left out
	Limit   long            `json:"limit"`  // 0: all
	Toggles map[string]any  `json:"backdoorToggles"`
	Params  []calcite.Param `json:"params"`
}

// maxRows is a cap that the JDBC driver sends and leaves to the server.
const maxRows = "ATTR_STATEMENT_MAX_ROWS"

// limit returns how many rows may be sent; 0: all.
func (q *queryRequest) limit() (int64, error) {
	if q.Limit < 0 || q.Offset < 0 {
		return 0, said("limit %d, offset %d: want 0 or more", q.Limit, q.Offset)
	}
	most := int64(q.Limit)
	if v, ok := q.Toggles[maxRows]; ok && v != nil {
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil || n < 0 {
			return 0, said("%s %v: want a whole number, 0 or more", maxRows, v)
		}
		if n > 0 && (most == 0 || n < most) {
			most = n
		}
	}
	return most, nil
}

// asked is a statement on its way.
type asked struct {
	answer *query.Answer
	sql    string // as it was sent
	st     *calcite.Statement
	labels []string
	skip   int64
	limit  int64
	began  time.Time
}

// ask begins to answer.
func (h *Handler) ask(ctx context.Context, q *queryRequest) (*asked, error) {
	a := &asked{began: time.Now(), sql: q.SQL, skip: int64(q.Offset)}
	if h.o.Query == nil {
		return nil, failed(http.StatusServiceUnavailable, "%w", server.NoQueries(ctx, h.o.Catalog))
	}
	if strings.TrimSpace(q.SQL) == "" {
		return nil, said("SQL should not be empty.")
	}
	var err error
	if a.limit, err = q.limit(); err != nil {
		return nil, err
	}
	project, err := h.project(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	st, err := calcite.Translate(q.SQL, q.Params)
	if err != nil {
		return nil, mistake(err, nil, q.SQL)
	}
	r := query.Request{SQL: st.SQL, Project: project, Approximate: true} // as Kylin, whose cubes count distinct by sketches
	if st.Explain {
		if r.SQL, err = h.explained(ctx, r); err != nil {
			return nil, mistake(err, st, q.SQL)
		}
		st = new(calcite.Statement)
	}
	if a.answer, err = h.o.Query.Query(ctx, r); err != nil {
		return nil, mistake(err, st, q.SQL)
	}
	for _, f := range a.answer.Schema.Fields() {
		a.labels = append(a.labels, f.Name)
	}
	a.st, a.labels = st, st.Labels(a.labels)
	return a, nil
}

// explained returns a statement whose answer is the plan of another.
func (h *Handler) explained(ctx context.Context, r query.Request) (string, error) {
	x, err := h.o.Query.Explain(ctx, r)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	if err := x.Text(&text); err != nil {
		return "", err
	}
	return "SELECT '" + strings.ReplaceAll(text.String(), "'", "''") + "' AS PLAN", nil
}

// mistake gives what is wrong with a statement a status, and its place in the text of the user.
func mistake(err error, st *calcite.Statement, sql string) error {
	var early *calcite.Error
	var wrong *duck.Error
	var busy *query.BusyError
	switch {
	case errors.As(err, &early):
		return said("%w", (&duck.Error{Kind: duck.KindParser, Message: early.Message, Offset: early.At}).In(sql))
	case errors.As(err, &wrong) && st != nil:
		moved := *wrong
		moved.Offset = st.Origin(wrong.Offset)
		return said("%w", moved.In(sql))
	case errors.As(err, &busy):
		return failed(http.StatusTooManyRequests, "%w", busy)
	}
	return err
}

// written is what a call returns that has written its answer by itself.
type written struct{}

func (h *Handler) query(w http.ResponseWriter, r *http.Request) (any, error) {
	var q queryRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	a, err := h.ask(r.Context(), &q)
	if err != nil {
		return nil, err
	}
	return h.send(r.Context(), w, a, newJSONAnswer(a))
}

// csv answers as a file.
func (h *Handler) csv(w http.ResponseWriter, r *http.Request) (any, error) {
	v := r.URL.Query()
	q := queryRequest{SQL: v.Get("sql"), Project: v.Get("project")}
	for name, to := range map[string]*long{"offset": &q.Offset, "limit": &q.Limit} {
		if err := to.UnmarshalJSON([]byte(v.Get(name))); err != nil {
			return nil, said("%s: %w", name, err)
		}
	}
	a, err := h.ask(r.Context(), &q)
	if err != nil {
		return nil, err
	}
	return h.send(r.Context(), w, a, newCSVAnswer(a))
}

// send writes an answer as it comes. What fails before anything was sent is returned.
func (h *Handler) send(ctx context.Context, w http.ResponseWriter, a *asked, f form) (any, error) {
	defer a.answer.Close() // also when what writes the answer panics; its error is the one below
	out := &late{w: w, media: f.media()}
	err := a.rows(func(p part) error { return f.rows(out, p) })
	if err != nil {
		err = mistake(err, a.st, a.sql)
	}
	if err == nil || out.sent {
		err = f.end(out, err)
	}
	closed := a.answer.Close()
	if err != nil && !out.sent {
		return nil, err
	}
	if err == nil {
		err = out.flush()
	}
	if err = errors.Join(err, closed); err != nil {
		h.o.Logger.LogAttrs(ctx, slog.LevelDebug, "answer not sent", slog.Any("err", err))
	}
	return written{}, nil
}

// runningQuery is a statement that runs, with Kylin's keys.
type runningQuery struct {
	QueryID           string `json:"queryId"`
	Username          string `json:"username"`
	Project           string `json:"project"`
	SQL               string `json:"sql"`
	QueryStartMillis  int64  `json:"queryStartMillis"`
	AccumulatedMillis int64  `json:"accumulatedMillis"`
	ScannedRows       int64  `json:"scannedRows"`
	ScannedBytes      int64  `json:"scannedBytes"`
	ReturnedRows      int64  `json:"returnedRows"`
	Running           bool   `json:"running"`
}

// running lists the statements of this process that run, as Kylin does.
func (h *Handler) running(http.ResponseWriter, *http.Request) (any, error) {
	out := []runningQuery{}
	if h.o.Query == nil {
		return out, nil
	}
	all, _ := h.o.Query.Statements()
	for _, s := range all {
		c := runningQuery{
			QueryID: strconv.FormatInt(s.ID, 10), Project: s.Project, SQL: s.SQL, QueryStartMillis: s.Started.UnixMilli(),
			AccumulatedMillis: s.Took.Milliseconds(), ReturnedRows: s.Rows, Running: true,
		}
		for _, b := range s.Blocks {
			c.ScannedRows += b.Cells
		}
		out = append(out, c)
	}
	return out, nil
}

// stop ends a statement. As in Kylin, one that does not run any more is no mistake.
func (h *Handler) stop(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("query"), 10, 64)
	if err != nil {
		return nil, said("query %q: want its queryId, which runningQueries shows", r.PathValue("query"))
	}
	if h.o.Query == nil {
		return nil, nil
	}
	if err := h.o.Query.Kill(id, by(r)); err != nil && !errors.Is(err, query.ErrNotRunning) {
		return nil, err
	}
	return nil, nil
}
