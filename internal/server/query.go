package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Query is the body of a question.
type Query struct {
	SQL         string `json:"sql"`
	Project     string `json:"project,omitempty"`     // default "default"
	Params      []any  `json:"params,omitempty"`      // of ? or $1, $2: null, booleans, numbers or strings
	MaxRows     int64  `json:"max_rows,omitempty"`    // after so many the answer is truncated; 0: all
	Approximate bool   `json:"approximate,omitempty"` // exact functions may be answered by sketches
	NoRaw       bool   `json:"no_raw,omitempty"`      // refuse what no cube answers
}

// QueryAnswer is an answer as JSON. Times are by RFC 3339; decimals, and whole numbers beyond 2^53, are strings.
type QueryAnswer struct {
	Columns   []QueryColumn `json:"columns"`
	Rows      [][]any       `json:"rows"`
	Count     int64         `json:"count"`
	Truncated bool          `json:"truncated"` // there are more rows than max_rows
	TookMs    float64       `json:"took_ms"`
	Tables    []QueryTable  `json:"tables"`          // what the answer covers
	Blocks    []QueryBlock  `json:"blocks"`          // what it was made of
	Error     *Error        `json:"error,omitempty"` // the answer ends early: the rows are not all
}

// QueryColumn is a column of an answer.
type QueryColumn struct {
	Name string `json:"name"`
	Type string `json:"type"` // SQL's name
}

// QueryTable says what an answer covers of a table.
type QueryTable struct {
	Table       string                     `json:"table"`
	Watermark   *time.Time                 `json:"watermark,omitempty"` // up to which event time all partitions were read
	Offsets     []segmenter.PartitionRange `json:"offsets"`
	Holes       []segmenter.PartitionRange `json:"holes"`
	Partial     bool                       `json:"partial"` // there are holes
	Events      int64                      `json:"events"`
	TailEvents  int64                      `json:"tail_events"` // of them in memory
	Lost        int64                      `json:"lost"`
	Quarantined int64                      `json:"quarantined"`
	Skipped     int64                      `json:"skipped"`
	Segments    int                        `json:"segments"`
	Files       int64                      `json:"files"`
}

// QueryBlock says what a part of a statement was answered from.
type QueryBlock struct {
	Block    string         `json:"block"`
	Table    string         `json:"table"`
	Cube     string         `json:"cube,omitempty"`
	Reason   string         `json:"reason,omitempty"` // why events were read in place of a cube
	Segments []QuerySegment `json:"segments"`
	Batches  int64          `json:"batches"`
	Cells    int64          `json:"cells"` // that were looked at
	Rows     int64          `json:"rows"`
	Notes    []string       `json:"notes,omitempty"`
}

// QuerySegment says which cuboid of a segment took part.
type QuerySegment struct {
	Segment int64  `json:"segment"`
	Cuboid  string `json:"cuboid,omitempty"` // none: its staged files
	Rows    int64  `json:"rows"`
}

func (s *Server) queryRoutes() []route {
	return []route{{
		method: "POST", path: "/query", summary: "answer a SELECT; as JSON, CSV, an Arrow stream or Parquet, by Accept", body: Query{}, answer: QueryAnswer{},
		stream: http.HandlerFunc(s.query), media: []string{results.JSON, results.CSV, results.Arrow, results.Parquet},
	}, {
		method: "POST", path: "/explain", summary: "say how a SELECT would be answered, and why", body: Query{}, answer: Explained{}, handle: s.explain,
	}, {
		method: "GET", path: "/statements", summary: "list the statements of this process that run, and the last ones that have ended", answer: Statements{}, handle: s.statements,
	}, {
		method: "DELETE", path: "/statements/{statement}", summary: "end a statement that runs", answer: Statements{}, handle: s.killStatement,
	}}
}

// Explained says how a statement would be answered.
type Explained struct {
	Blocks []ExplainedBlock `json:"blocks"`
	Scans  []ExplainedScan  `json:"scans"`
	Rest   string           `json:"rest,omitempty"` // what DuckDB does with their rows
	Text   string           `json:"text"`           // all that, for people
}

// ExplainedBlock is of a part of a statement that groups or aggregates one table.
type ExplainedBlock struct {
	Block      string             `json:"block"`
	Table      string             `json:"table"`
	Groups     []string           `json:"groups"`
	Aggregates []string           `json:"aggregates"`
	Where      string             `json:"where"`
	Time       string             `json:"time,omitempty"`
	Cube       string             `json:"cube,omitempty"`  // none: events are read
	Lacks      string             `json:"lacks,omitempty"` // what other cubes lack
	Single     []string           `json:"single"`          // times of which events are read one by one
	Kept       []ExplainedSegment `json:"kept"`
	Pruned     []ExplainedSegment `json:"pruned"`
	Uncovered  int                `json:"uncovered_ranges"` // of offsets that no segment holds
	TailEvents int64              `json:"tail_events"`
}

// ExplainedSegment says why a segment takes part, or not.
type ExplainedSegment struct {
	Segment int64  `json:"segment"`
	Time    string `json:"time"`
	Cuboid  string `json:"cuboid,omitempty"`
	Why     string `json:"why,omitempty"`
}

// ExplainedScan is of a table whose events are read as they are.
type ExplainedScan struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Time    string   `json:"time,omitempty"`
	Reason  string   `json:"reason"`
}

func (s *Server) explain(r *http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, noQueries()
	}
	q, err := s.queryOf(r.Body)
	if err != nil {
		return nil, err
	}
	x, err := s.opts.Query.Explain(r.Context(), query.Request{SQL: q.SQL, Project: q.Project, Params: q.Params, Approximate: q.Approximate, NoRaw: q.NoRaw})
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := x.Text(&text); err != nil {
		return nil, err
	}
	out := &Explained{Blocks: []ExplainedBlock{}, Scans: []ExplainedScan{}, Rest: x.Rest, Text: text.String()}
	for _, b := range x.Blocks {
		out.Blocks = append(out.Blocks, ExplainedBlock{
			Block: b.Name, Table: b.Table, Groups: list(b.Groups), Aggregates: list(b.Aggregates), Where: b.Where, Time: b.Time, Cube: b.Cube, Lacks: b.Lacks,
			Single: list(b.Single), Kept: explained(b.Kept), Pruned: explained(b.Pruned), Uncovered: b.Uncovered, TailEvents: b.TailEvents,
		})
	}
	for _, c := range x.Scans {
		out.Scans = append(out.Scans, ExplainedScan{Table: c.Table, Columns: list(c.Columns), Time: c.Time, Reason: c.Reason})
	}
	return out, nil
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

func explained(of []query.SegmentExplanation) []ExplainedSegment {
	out := []ExplainedSegment{}
	for _, s := range of {
		out = append(out, ExplainedSegment(s))
	}
	return out
}

// Statements are those of one process.
type Statements struct {
	Running []Statement `json:"running"`
	Ended   []Statement `json:"ended"` // the newest first
}

// Statement is one that runs, or has run.
type Statement struct {
	ID      int64        `json:"id"`
	Project string       `json:"project"`
	SQL     string       `json:"sql"` // its first 4096 bytes
	Started time.Time    `json:"started"`
	TookMs  float64      `json:"took_ms"`
	State   string       `json:"state"` // running, finished, failed or killed
	Problem string       `json:"problem,omitempty"`
	Rows    int64        `json:"rows"`
	Blocks  []QueryBlock `json:"blocks"`
}

func (s *Server) statements(*http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, noQueries()
	}
	running, ended := s.opts.Query.Statements()
	return &Statements{Running: statementsOf(running), Ended: statementsOf(ended)}, nil
}

func statementsOf(of []query.Running) []Statement {
	out := []Statement{}
	for _, r := range of {
		out = append(out, Statement{
			ID: r.ID, Project: cmp.Or(r.Project, "default"), SQL: r.SQL, Started: r.Started.UTC(), TookMs: float64(r.Took.Microseconds()) / 1000, State: r.State,
			Problem: r.Problem, Rows: r.Rows, Blocks: blocksOf(r.Blocks),
		})
	}
	return out
}

func (s *Server) killStatement(r *http.Request) (any, error) {
	if s.opts.Query == nil {
		return nil, noQueries()
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

func noQueries() *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "this process answers no statements: ask one that has the role query"}
}

// query answers a statement. The engine bounds its time.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if s.opts.Query == nil {
		s.fail(w, r, noQueries())
		return
	}
	bound(w, time.Now().Add(s.opts.CallTimeout))
	q, media, err := s.readQuery(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a, err := s.opts.Query.Query(r.Context(), query.Request{SQL: q.SQL, Project: q.Project, Params: q.Params, Approximate: q.Approximate, NoRaw: q.NoRaw})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := &queryWriter{w: w, rc: http.NewResponseController(w), limit: q.MaxRows}
	if media == results.JSON {
		err = out.json(a, began)
	} else {
		err = out.other(a, media)
	}
	if err = errors.Join(err, a.Close()); err != nil && !errors.Is(err, context.Canceled) {
		s.opts.Logger.LogAttrs(r.Context(), slog.LevelDebug, "answer not sent", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
}

func (s *Server) readQuery(w http.ResponseWriter, r *http.Request) (q Query, media string, err error) {
	media, ok := results.Choose(r.Header.Get("Accept"))
	if !ok {
		return q, "", &Error{Status: http.StatusNotAcceptable, Code: "not_acceptable", Message: "Accept: want one of " + results.JSON + ", " + results.CSV + ", " + results.Arrow + ", " + results.Parquet}
	}
	q, err = s.queryOf(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	return q, media, err
}

// queryOf reads the body of a question.
func (s *Server) queryOf(body io.Reader) (q Query, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&q); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return q, err
		}
		return q, badRequest("the body: %v: want {\"sql\": \"SELECT ...\"}", err)
	}
	if q.SQL == "" {
		return q, badRequest("no sql: want {\"sql\": \"SELECT ...\"}")
	}
	if q.MaxRows < 0 {
		return q, badRequest("max_rows %d: want 0 or more", q.MaxRows)
	}
	for i, p := range q.Params {
		n, ok := p.(json.Number)
		if !ok {
			continue
		}
		if v, err := n.Int64(); err == nil {
			q.Params[i] = v
		} else if v, err := n.Float64(); err == nil {
			q.Params[i] = v
		}
	}
	return q, nil
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
	out := QueryAnswer{Columns: []QueryColumn{}}
	for _, f := range a.Schema.Fields() {
		out.Columns = append(out.Columns, QueryColumn{f.Name, results.TypeName(f.Type)})
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

func coverage(a *query.Answer) []QueryTable {
	list := []QueryTable{}
	for _, t := range a.Tables {
		c := &t.Completeness
		out := QueryTable{
			Table: t.Table, Offsets: []segmenter.PartitionRange{}, Holes: append([]segmenter.PartitionRange{}, c.Holes...), Partial: c.Partial(),
			Events: c.Counts.Events, TailEvents: c.TailEvents, Lost: c.Counts.Lost, Quarantined: c.Counts.Quarantined, Skipped: c.Counts.Skipped,
			Segments: c.Segments, Files: c.Files,
		}
		for _, o := range c.Offsets {
			out.Offsets = append(out.Offsets, o.PartitionRange)
		}
		if c.HasTime {
			at := time.UnixMicro(c.Watermark).UTC()
			out.Watermark = &at
		}
		list = append(list, out)
	}
	return list
}

func blocksOf(of []query.BlockReport) []QueryBlock {
	list := []QueryBlock{}
	for _, b := range of {
		out := QueryBlock{
			Block: b.Name, Table: b.Table, Cube: b.Cube, Reason: b.Reason, Segments: []QuerySegment{}, Batches: b.Batches, Cells: b.Cells, Rows: b.Rows, Notes: b.Notes,
		}
		for _, s := range b.Segments {
			out.Segments = append(out.Segments, QuerySegment(s))
		}
		list = append(list, out)
	}
	return list
}
