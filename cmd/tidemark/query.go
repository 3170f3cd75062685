package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/results"
	"github.com/tidemarkdb/tidemark/internal/server/statements"
	"github.com/tidemarkdb/tidemark/query"
	cuboids "github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// queries starts the engine with the first statement: most commands have none.
type queries struct {
	n *node

	once   sync.Once
	engine *query.Engine
	err    error
}

// Query answers a statement.
func (q *queries) Query(ctx context.Context, r query.Request) (*query.Answer, error) {
	q.once.Do(q.start)
	if q.err != nil {
		return nil, q.err
	}
	return q.engine.Query(ctx, r)
}

// Explain says how a statement would be answered.
func (q *queries) Explain(ctx context.Context, r query.Request) (*query.Explanation, error) {
	q.once.Do(q.start)
	if q.err != nil {
		return nil, q.err
	}
	return q.engine.Explain(ctx, r)
}

// Statements lists those of this process.
func (q *queries) Statements() (running, ended []query.Running) {
	q.once.Do(q.start)
	if q.err != nil {
		return nil, nil
	}
	return q.engine.Statements()
}

// Kill ends one of them.
func (q *queries) Kill(id int64, by string) error {
	q.once.Do(q.start)
	if q.err != nil {
		return q.err
	}
	return q.engine.Kill(id, by)
}

func (q *queries) start() {
	n := q.n
	o := queryOptions(n.cfg)
	o.Catalog, o.Store, o.Logger, o.Registry = n.catalog, n.store, n.log, n.registry
	if n.hbase != nil {
		o.Tables = hbaseTables{n.hbase}
	}
	if n.ingester != nil {
		o.Tail = tail{n.ingester}
	}
	q.engine, q.err = query.New(o)
}

// queryOptions are the settings of statements.
func queryOptions(c *config.Config) query.Options {
	q := &c.Query
	o := query.Options{
		Timeout: q.Timeout, Memory: q.Memory, MaxRows: q.MaxRows, Concurrent: int(q.Concurrent), Queue: q.Queue, QueueWait: q.QueueWait,
		Slow: q.Slow, History: q.History, Raw: query.RawPolicy(q.Raw), RawBytes: q.RawBytes, RawConcurrent: int(q.RawConcurrent), RawQueueWait: q.RawQueueWait,
	}
	o.Duck.TempDir, o.Duck.TempBytes, o.Duck.MaxTextBytes = c.QueryDir(), q.Disk, int(q.SQLBytes)
	o.Run.ColumnBytes, o.Run.NoColumns = q.ColumnCacheBytes, q.ColumnCacheBytes == 0
	o.Source.CellBytes, o.Source.NoCells = q.CellCacheBytes, q.CellCacheBytes == 0
	return o
}

func (q *queries) close() error {
	q.once.Do(func() { q.err = fmt.Errorf("this process stops") })
	if q.engine == nil {
		return nil
	}
	return q.engine.Close()
}

// tail hands out the ingester's.
type tail struct{ in *ingest.Ingester }

func (t tail) Pin(_ context.Context, tableID string) (source.Pin, error) {
	return t.in.PinTail(tableID), nil
}

// hbaseTables opens cuboids in HBase.
type hbaseTables struct{ store *hbase.Store }

func (t hbaseTables) Reader(l *cells.Layout, stored *segmenter.StoredTable, list []segmenter.CuboidEntry) (cuboids.Reader, error) {
	r, err := t.store.NewReader(l, stored, list)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// outputs lists what -o may be for a command that knows more than text and json.
const outputs = "outputs"

var queryMedia = map[string]string{"text": results.JSON, "json": results.JSON, "csv": results.CSV, "arrow": results.Arrow, "parquet": results.Parquet}

func (a *app) queryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "query [SQL]", Short: "Answer a SELECT over tables, live to the second",
		Long: `Answers a SELECT over tables: from the cuboids of their cubes where these have what is asked for, else from staged files, and from what was
just read and is in memory. Without SQL the statement is read from standard input. The dialect is DuckDB's.`,
		Example: `  tidemark query "SELECT country, count(*) FROM pageviews GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
  tidemark query -o csv "SELECT date_trunc('hour', ts) h, sum(bytes) FROM pageviews GROUP BY 1 ORDER BY 1" > hours.csv
  tidemark query -o json < statement.sql`,
		Args:        cobra.MaximumNArgs(1),
		Annotations: map[string]string{outputs: "text, json, csv, arrow or parquet"},
	}
	var q statements.Query
	c.Flags().StringVar(&q.Project, "project", "", "project of the tables (default \"default\")")
	c.Flags().Int64Var(&q.MaxRows, "max-rows", 0, "end the answer after so many rows; 0: all")
	c.Flags().BoolVar(&q.Approximate, "approximate", false, "let sketches answer exact functions")
	c.Flags().StringVar(&q.Raw, "raw", "", "what no cube answers: allow, warn or refuse (default: the server's query.raw)")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if q.SQL, err = a.statement(cmd, args); err != nil {
			return err
		}
		return a.query(cmd, q)
	}
	return c
}

// statement is the argument, or what stands on standard input.
func (a *app) statement(cmd *cobra.Command, args []string) (string, error) {
	text := strings.Join(args, "")
	if len(args) == 0 {
		b, err := io.ReadAll(io.LimitReader(a.stdin, maxStatement))
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", usage("name a statement: %s \"SELECT ...\"", cmd.CommandPath())
	}
	return text, nil
}

func (a *app) explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explain [SQL]", Short: "Say how a SELECT would be answered, and why",
		Long: `Says which parts of a statement cubes answer, for each segment by which cuboid and which smaller one lacks what, which segments no event of
can count, and what is read from events and why. Only metadata are read.`,
		Example: `  tidemark explain "SELECT country, count(*) FROM pageviews GROUP BY 1"`,
		Args:    cobra.MaximumNArgs(1),
	}
	var q statements.Query
	c.Flags().StringVar(&q.Project, "project", "", "project of the tables (default \"default\")")
	c.Flags().BoolVar(&q.Approximate, "approximate", false, "let sketches answer exact functions")
	c.Flags().StringVar(&q.Raw, "raw", "", "as of query")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if q.SQL, err = a.statement(cmd, args); err != nil {
			return err
		}
		r := request{method: http.MethodPost, path: "/explain"}
		if err := r.json(q); err != nil {
			return err
		}
		var out statements.Explained
		if err := a.ask(cmd, false, r, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error {
			_, err := io.WriteString(w, out.Text)
			return err
		})
	}
	return c
}

func (a *app) statementsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "statements", Short: "List the statements that run, and the last ones that have ended", Args: exactly(),
		Example: "  tidemark statements\n  tidemark statements kill 12",
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.showStatements(cmd, request{method: http.MethodGet, path: "/statements"})
	}
	kill := &cobra.Command{Use: "kill ID", Short: "End a statement that runs", Args: exactly("ID")}
	kill.RunE = func(cmd *cobra.Command, args []string) error {
		return a.showStatements(cmd, request{method: http.MethodDelete, path: "/statements/" + url.PathEscape(args[0])})
	}
	c.AddCommand(kill)
	return c
}

func (a *app) showStatements(cmd *cobra.Command, r request) error {
	var out statements.Statements
	if err := a.ask(cmd, false, r, &out); err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) error {
		return table(w, "ID STATE STARTED MS ROWS FROM SQL", func(row func(...any)) {
			for _, s := range append(out.Running, out.Ended...) {
				from := []string{}
				for _, b := range s.Blocks {
					from = append(from, cmp.Or(b.Cube, "events"))
				}
				row(s.ID, s.State, s.Started.Format(time.TimeOnly), fmt.Sprintf("%.1f", s.TookMs), s.Rows, cmp.Or(strings.Join(from, ","), "-"), shortened(s.SQL))
			}
		})
	})
}

// shortened is a statement in one line.
func shortened(sql string) string {
	const most = 100
	text := []rune(plainText(strings.Join(strings.Fields(sql), " ")))
	if len(text) > most {
		return string(text[:most]) + " ..."
	}
	return string(text)
}

// maxStatement bounds a statement on standard input.
const maxStatement = 4 << 20

func (a *app) query(cmd *cobra.Command, q statements.Query) error {
	cl, err := a.connect(cmd.Context(), false)
	if err != nil {
		return err
	}
	r := request{method: http.MethodPost, path: "/query", accept: queryMedia[a.output]}
	if err := r.json(q); err != nil {
		return err
	}
	body, err := cl.send(cmd.Context(), r)
	if err != nil {
		return errors.Join(err, cl.close())
	}
	defer body.Close()
	if a.output != "text" {
		_, err = io.Copy(a.stdout, body)
		return errors.Join(err, cl.close())
	}
	var out server.QueryAnswer
	d := json.NewDecoder(body)
	d.UseNumber()
	if err = d.Decode(&out); err == nil {
		err = printAnswer(a.stdout, &out)
	}
	return errors.Join(err, cl.close())
}

// printAnswer prints rows, and below them what they cover.
func printAnswer(w io.Writer, a *server.QueryAnswer) error {
	names := make([]string, len(a.Columns))
	for i, c := range a.Columns {
		names[i] = c.Name
	}
	if err := grid(w, names, a.Rows); err != nil {
		return err
	}
	more := ""
	if a.Truncated {
		more = ", and more"
	}
	fmt.Fprintf(w, "(%d rows%s, %.1f ms)\n", a.Count, more, a.TookMs)
	for _, t := range a.Tables {
		fmt.Fprintln(w, coverageText(&t))
	}
	for _, text := range a.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
	for _, b := range a.Blocks {
		if b.Reason != "" {
			fmt.Fprintf(w, "read from events: %s\n", b.Reason)
		}
		for _, n := range b.Notes {
			fmt.Fprintf(w, "note: %s\n", n)
		}
	}
	if a.Error != nil {
		return a.Error
	}
	return nil
}

// coverageText says in one line what an answer covers of a table.
func coverageText(t *statements.QueryTable) string {
	parts := []string{fmt.Sprintf("%d events", t.Events)}
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(t.TailEvents, "in memory")
	add(t.Quarantined, "quarantined")
	add(t.Skipped, "skipped")
	add(t.Lost, "lost")
	add(int64(len(t.Holes)), "holes: the answer is partial")
	if t.Watermark != nil {
		parts = append(parts, "watermark "+t.Watermark.Format(time.RFC3339))
	}
	return t.Table + ": " + strings.Join(parts, ", ")
}

// grid prints rows below names; numbers stand right.
func grid(w io.Writer, names []string, rows [][]any) error {
	width := make([]int, len(names))
	right := make([]bool, len(names))
	text := make([][]string, len(rows))
	for i, n := range names {
		width[i], right[i] = len([]rune(n)), len(rows) > 0
	}
	for r, row := range rows {
		text[r] = make([]string, len(row))
		for i, v := range row {
			switch v := v.(type) {
			case nil:
				text[r][i] = "null"
			case string:
				text[r][i], right[i] = plainText(v), false
			case json.Number:
				text[r][i] = v.String()
			default:
				b, err := json.Marshal(v)
				if err != nil {
					return err
				}
				text[r][i], right[i] = string(b), false
			}
			width[i] = max(width[i], len([]rune(text[r][i])))
		}
	}
	line := func(cells []string) error {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if right[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		return err
	}
	rule := make([]string, len(names))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i])
	}
	for _, cells := range append([][]string{names, rule}, text...) {
		if err := line(cells); err != nil {
			return err
		}
	}
	return nil
}

// plainText keeps a value on its line, and what a terminal would act on away from it.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '�'
		}
		return r
	}, s)
}
