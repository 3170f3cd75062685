package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/internal/server/statements"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// QueryAnswer is an answer as JSON. Times are by RFC 3339; decimals, and whole numbers beyond 2^53, are strings.
type QueryAnswer struct {
	Columns   []statements.QueryColumn `json:"columns"`
	Rows      [][]any                  `json:"rows"`
	Count     int64                    `json:"count"`
	Truncated bool                     `json:"truncated"` // there are more rows than max_rows
	TookMs    float64                  `json:"took_ms"`
	Tables    []statements.QueryTable  `json:"tables"` // what the answer covers
	Blocks    []statements.QueryBlock  `json:"blocks"` // what it was made of
	Warnings  []string                 `json:"warnings,omitempty"`
	Cached    bool                     `json:"cached,omitempty"` // it was made before, over the same events
	Error     *Error                   `json:"error,omitempty"`  // the answer ends early: the rows are not all
}

func (s *Server) queryRoutes() []route {
	return []route{{
		method: "POST", path: "/query", summary: "answer a SELECT; as JSON, CSV, an Arrow stream or Parquet, by Accept", body: statements.Query{}, answer: QueryAnswer{},
		stream: http.HandlerFunc(s.query), media: []string{results.JSON, results.CSV, results.Arrow, results.Parquet},
	}, {
		method: "POST", path: "/explain", summary: "say how a SELECT would be answered, and why", body: statements.Query{}, answer: statements.Explained{}, handle: s.explain,
	}, {
		method: "GET", path: "/statements", summary: "list the statements of this process that run, and the last ones that have ended", answer: statements.Statements{}, handle: s.statements,
	}, {
		method: "DELETE", path: "/statements/{statement}", summary: "end a statement that runs", answer: statements.Statements{}, handle: s.killStatement,
	}}
}

func (s *Server) explain(r *http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, NoQueries(r.Context(), s.opts.Catalog)
	}
	q, err := s.queryOf(r.Body)
	if err != nil {
		return nil, err
	}
	req, err := requestOf(&q)
	if err != nil {
		return nil, err
	}
	x, err := s.opts.Query.Explain(r.Context(), req)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := x.Text(&text); err != nil {
		return nil, err
	}
	out := &statements.Explained{Blocks: []statements.ExplainedBlock{}, Scans: []statements.ExplainedScan{}, Rest: x.Rest, Refused: x.Refused, Text: text.String()}
	if x.Raw != nil {
		out.RawFiles, out.RawBytes = x.Raw.Files, x.Raw.Bytes
	}
	for _, b := range x.Blocks {
		out.Blocks = append(out.Blocks, statements.ExplainedBlock{
			Block: b.Name, Table: b.Table, Groups: list(b.Groups), Aggregates: list(b.Aggregates), Where: b.Where, Time: b.Time, Cube: b.Cube, Lacks: b.Lacks,
			Single: list(b.Single), Kept: explained(b.Kept), Pruned: explained(b.Pruned), Uncovered: b.Uncovered, TailEvents: b.TailEvents,
		})
	}
	for _, c := range x.Scans {
		out.Scans = append(out.Scans, statements.ExplainedScan{Table: c.Table, Columns: list(c.Columns), Time: c.Time, Reason: c.Reason})
	}
	return out, nil
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

func explained(of []query.SegmentExplanation) []statements.ExplainedSegment {
	out := []statements.ExplainedSegment{}
	for _, s := range of {
		out = append(out, statements.ExplainedSegment(s))
	}
	return out
}

func (s *Server) statements(r *http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, NoQueries(r.Context(), s.opts.Catalog)
	}
	running, ended := s.opts.Query.Statements()
	return &statements.Statements{Running: statementsOf(running), Ended: statementsOf(ended)}, nil
}

func statementsOf(of []query.Running) []statements.Statement {
	out := []statements.Statement{}
	for _, r := range of {
		out = append(out, statements.Statement{
			ID: r.ID, Project: cmp.Or(r.Project, "default"), SQL: r.SQL, Started: r.Started.UTC(), TookMs: float64(r.Took.Microseconds()) / 1000, State: r.State,
			Problem: r.Problem, Rows: r.Rows, From: r.From, Blocks: blocksOf(r.Blocks),
		})
	}
	return out
}

func (s *Server) killStatement(r *http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, NoQueries(r.Context(), s.opts.Catalog)
	}
	id, err := strconv.ParseInt(r.PathValue("statement"), 10, 64)
	if err != nil {
		return nil, badRequest("statement %q: want a number", r.PathValue("statement"))
	}
	if err := s.opts.Query.Kill(id, by(r)); err != nil {
		return nil, &Error{Status: http.StatusNotFound, Code: "not_found", Message: err.Error() + ": tidemark statements shows which do"}
	}
	return s.statements(r)
}

// query answers a statement. The engine bounds its time.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if s.opts.Query == nil {
		s.fail(w, r, NoQueries(r.Context(), s.opts.Catalog))
		return
	}
	bound(w, time.Now().Add(s.opts.CallTimeout))
	q, media, err := s.readQuery(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	req, err := requestOf(&q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a, err := s.opts.Query.Query(r.Context(), req)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer a.Close() // also when what writes the answer panics; its error is the one below
	out := &queryWriter{w: w, rc: http.NewResponseController(w), limit: q.MaxRows}
	if media == results.JSON {
		err = out.json(a, began)
	} else if err = out.other(a, media); errors.As(err, new(*results.ColumnError)) {
		s.fail(w, r, err)
		return
	}
	if err = errors.Join(err, a.Close()); err != nil && !errors.Is(err, context.Canceled) {
		s.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "answer not sent", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
}

func (s *Server) readQuery(w http.ResponseWriter, r *http.Request) (q statements.Query, media string, err error) {
	media, ok := results.Choose(r.Header.Get("Accept"))
	if !ok {
		return q, "", &Error{Status: http.StatusNotAcceptable, Code: "not_acceptable", Message: "Accept: want one of " + results.JSON + ", " + results.CSV + ", " + results.Arrow + ", " + results.Parquet}
	}
	q, err = s.queryOf(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	return q, media, err
}

// requestOf is what a question asks of the engine.
func requestOf(q *statements.Query) (query.Request, error) {
	at, err := catalog.ParseAsOf(q.AsOf)
	if err != nil {
		return query.Request{}, badRequest("%v", err)
	}
	return query.Request{SQL: q.SQL, Project: q.Project, Params: q.Params, Approximate: q.Approximate, Raw: query.RawPolicy(q.Raw), AsOf: at}, nil
}

// queryOf reads the body of a question.
func (s *Server) queryOf(body io.Reader) (q statements.Query, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return q, err
	}
	if !utf8.Valid(text) { // the decoder would put something else in the place of what is not
		return q, badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&q); err != nil {
		return q, badRequest("the body: %v: want {\"sql\": \"SELECT ...\"}", err)
	}
	if q.SQL == "" {
		return q, badRequest("no sql: want {\"sql\": \"SELECT ...\"}")
	}
	if q.MaxRows < 0 {
		return q, badRequest("max_rows %d: want 0 or more", q.MaxRows)
	}
	for i, p := range q.Params {
		if q.Params[i], err = paramOf(p); err != nil {
			return q, badRequest("params[%d]: %v", i, err)
		}
	}
	return q, nil
}

// paramOf returns a value of JSON as the engine takes it: no whole number loses a digit.
func paramOf(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			if n.IsInt64() {
				return n.Int64(), nil
			}
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("no number is as large as %s: send it as a string", v)
		}
		return f, nil
	case []any:
		list := make([]any, len(v))
		var err error
		for i, x := range v {
			if list[i], err = paramOf(x); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return nil, errors.New("an object cannot be one: send a number, a string, true, false, null or a list of them")
	}
	return v, nil
}

// queryWriter writes an answer as it comes.
type queryWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	limit int64

	count     int64
	truncated bool
}

// rows hands the records on, up to the limit.
func (q *queryWriter) rows(a *query.Answer, write func(arrow.Record) error) error {
	for {
		rec, err := a.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if left := q.limit - q.count; q.limit > 0 && rec.NumRows() > left {
			q.truncated = true
			cut := rec.NewSlice(0, left)
			rec.Release()
			rec = cut
		}
		q.count += rec.NumRows()
		_ = q.rc.SetWriteDeadline(time.Now().Add(writeTime)) // ErrNotSupported in process
		err = write(rec)
		rec.Release()
		if err != nil || q.truncated {
			return err
		}
	}
}

// json writes columns and rows, then what is known at the end only.
func (q *queryWriter) json(a *query.Answer, began time.Time) error {
	out := QueryAnswer{Columns: []statements.QueryColumn{}}
	for _, f := range a.Schema.Fields() {
		out.Columns = append(out.Columns, statements.QueryColumn{Name: f.Name, Type: results.TypeName(f.Type)})
	}
	head, err := json.Marshal(out.Columns)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", results.JSON)
	q.w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, err := q.w.Write(append(append([]byte(`{"columns":`), head...), ",\n \"rows\":["...)); err != nil {
		return err
	}
	rows := results.NewRows(q.w)
	failed := q.rows(a, rows.Write)
	out.Count, out.Truncated, out.Tables, out.Blocks = q.count, q.truncated, coverage(a), blocksOf(a.Blocks)
	out.Warnings, out.Cached = a.Warnings, a.Cached
	out.TookMs = float64(time.Since(began).Microseconds()) / 1000
	if failed != nil {
		out.Error = asError(failed)
	}
	tail, err := json.Marshal(struct {
		*QueryAnswer
		Columns *int `json:"columns,omitempty"` // they are written
		Rows    *int `json:"rows,omitempty"`
	}{QueryAnswer: &out})
	if err != nil {
		return err
	}
	_, err = q.w.Write(append(append([]byte("],\n "), tail[1:]...), '\n'))
	return err
}

// other writes the rows alone. What fails in their midst breaks the connection off, so that nobody takes a part for the whole.
func (q *queryWriter) other(a *query.Answer, media string) error {
	q.w.Header().Set("Content-Type", media)
	out, err := results.New(media, q.w, a.Schema)
	if err != nil {
		return err
	}
	if err := q.rows(a, out.Write); err != nil {
		panic(http.ErrAbortHandler)
	}
	return out.Close()
}

func coverage(a *query.Answer) []statements.QueryTable {
	list := []statements.QueryTable{}
	for _, t := range a.Tables {
		c := &t.Completeness
		out := statements.QueryTable{
			Table: t.Table, Offsets: []segmenter.PartitionRange{}, Holes: append([]segmenter.PartitionRange{}, c.Holes...), Partial: c.Partial(),
			Events: c.Counts.Events, TailEvents: c.TailEvents, Lost: c.Counts.Lost, Quarantined: c.Counts.Quarantined, Skipped: c.Counts.Skipped,
			Segments: c.Segments, Files: c.Files, Idle: c.Idle,
		}
		for _, o := range c.Offsets {
			out.Offsets = append(out.Offsets, o.PartitionRange)
		}
		for _, e := range c.Elsewhere {
			out.TailElsewhere = append(out.TailElsewhere, statements.QueryElsewhere(e))
		}
		if c.HasTime {
			at := time.UnixMicro(c.Watermark).UTC()
			newest := time.UnixMicro(c.Newest).UTC()
			out.Watermark, out.Newest = &at, &newest
		}
		if c.AsOf != nil {
			out.AsOf = &statements.QueryMoment{Asked: c.AsOf.AsOf.String(), Version: c.AsOf.Version}
			if c.AsOf.Us != 0 {
				at := time.UnixMicro(c.AsOf.Us).UTC()
				out.AsOf.Time = &at
			}
		}
		list = append(list, out)
	}
	return list
}

func blocksOf(of []query.BlockReport) []statements.QueryBlock {
	list := []statements.QueryBlock{}
	for _, b := range of {
		out := statements.QueryBlock{
			Block: b.Name, Table: b.Table, Cube: b.Cube, Reason: b.Reason, Segments: []statements.QuerySegment{}, Batches: b.Batches, Cells: b.Cells, Rows: b.Rows, Notes: b.Notes,
		}
		for _, s := range b.Segments {
			out.Segments = append(out.Segments, statements.QuerySegment(s))
		}
		list = append(list, out)
	}
	return list
}
