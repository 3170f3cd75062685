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
	"slices"
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
	"github.com/tidemarkdb/tidemark/query/filecache"
	"github.com/tidemarkdb/tidemark/query/plan"
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

// Describe says what a statement takes and answers with.
func (q *queries) Describe(ctx context.Context, r query.Request, types map[string]string) (*query.Description, error) {
	q.once.Do(q.start)
	if q.err != nil {
		return nil, q.err
	}
	return q.engine.Describe(ctx, r, types)
}

// Relations lists what a statement of a project may name.
func (q *queries) Relations(ctx context.Context, project string) ([]*plan.Relation, error) {
	q.once.Do(q.start)
	if q.err != nil {
		return nil, q.err
	}
	return q.engine.Relations(ctx, project)
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
	if n.cfg.Catalog != "" { // others may read: their memory is not in answers
		if o.Source.Node, q.err = n.data.NodeID(); q.err != nil {
			return
		}
	}
	q.engine, q.err = query.New(o)
}

// queryOptions are the settings of statements.
func queryOptions(c *config.Config) query.Options {
	q := &c.Query
	o := query.Options{
		Timeout: q.Timeout, Memory: q.Memory, MaxRows: q.MaxRows, Concurrent: int(q.Concurrent), Queue: q.Queue, QueueWait: q.QueueWait,
		Slow: q.Slow, History: q.History, Raw: query.RawPolicy(q.Raw), RawBytes: q.RawBytes, RawConcurrent: int(q.RawConcurrent), RawQueueWait: q.RawQueueWait,
		LookupBytes: q.LookupBytes, IDBytes: q.IDBytes, Abandoned: int(q.Abandoned), EdgeRanges: q.EdgeRanges, ProgramBytes: q.ProgramBytes,
	}
	o.Duck.TempDir, o.Duck.TempBytes, o.Duck.MaxTextBytes = c.QueryDir(), q.Disk, int(q.SQLBytes)
	if q.FileCacheBytes > 0 && strings.Contains(c.StoreURL(), "://") { // a folder needs none
		o.Files = filecache.Options{Dir: c.FileCacheDir(), Store: c.StoreURL(), Bytes: q.FileCacheBytes}
	}
	o.ResultBytes, o.NoResults = q.ResultCacheBytes, q.ResultCacheBytes == 0
	o.Run.ColumnBytes, o.Run.NoColumns = q.ColumnCacheBytes, q.ColumnCacheBytes == 0
	o.Run.FoldedBytes, o.Run.NoFolded = q.FoldedCacheBytes, q.FoldedCacheBytes == 0
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

// shownRows is how many rows a terminal is shown of an answer.
const shownRows = 1000

var queryMedia = map[string]string{"text": results.JSON, "json": results.JSON, "csv": results.CSV, "arrow": results.Arrow, "parquet": results.Parquet}

func (a *app) queryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "query [SQL]", Short: "Answer a SELECT over tables, live to the second",
		Long: `Answers a SELECT over tables: from the cuboids of their cubes where these have what is asked for, else from staged files, and from what was
just read and is in memory. The dialect is DuckDB's. Without SQL the statement is read from standard input; a terminal gets a prompt,
where \? lists what can be typed.`,
		Example: `  tidemark query
  tidemark query "SELECT country, count(*) FROM pageviews GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
  tidemark query -o csv "SELECT date_trunc('hour', ts) h, sum(bytes) FROM pageviews GROUP BY 1 ORDER BY 1" > hours.csv
  tidemark query -o json < statement.sql
  tidemark query --as-of 2026-03-01T12:00:00Z "SELECT count(*) FROM pageviews"   what was committed then`,
		Args:        cobra.MaximumNArgs(1),
		Annotations: map[string]string{outputs: "text, json, csv, arrow or parquet"},
	}
	var q statements.Query
	c.Flags().StringVar(&q.Project, "project", "", "project of the tables (default \"default\")")
	c.Flags().Int64Var(&q.MaxRows, "max-rows", 0, fmt.Sprintf("end the answer after so many rows; 0: all (default %d for text on a terminal, else all)", shownRows))
	c.Flags().BoolVar(&q.Approximate, "approximate", false, "let sketches answer exact functions")
	c.Flags().StringVar(&q.Raw, "raw", "", "what no cube answers: allow, warn or refuse (default: the server's query.raw)")
	asOfFlag(c, &q)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		v := view{output: a.output, timing: true, width: a.width()}
		if v.width > 0 && (a.output == "arrow" || a.output == "parquet") {
			return usage("-o %s on a terminal would spoil it: write it to a file, as in %s -o %s \"SELECT ...\" > answer.%[1]s", a.output, cmd.CommandPath(), a.output)
		}
		if v.width > 0 && a.output == "text" && !cmd.Flags().Changed("max-rows") {
			q.MaxRows = shownRows
		}
		if len(args) == 0 && a.typed() {
			return a.prompt(cmd.Context(), q, v)
		}
		if q.SQL, err = a.statement(cmd, args); err != nil {
			return err
		}
		return a.query(cmd.Context(), q, v)
	}
	return c
}

func asOfFlag(c *cobra.Command, q *statements.Query) {
	c.Flags().StringVar(&q.AsOf, "as-of", "", "only what was committed at a `MOMENT`: a time (2006-01-02T15:04:05Z), a version of the catalog, or offsets (0:1000,1:900)")
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
	asOfFlag(c, &q)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if q.SQL, err = a.statement(cmd, args); err != nil {
			return err
		}
		return a.explain(cmd.Context(), q)
	}
	return c
}

func (a *app) explain(ctx context.Context, q statements.Query) error {
	r := request{method: http.MethodPost, path: "/explain"}
	if err := r.json(q); err != nil {
		return err
	}
	var out statements.Explained
	if err := a.askOnce(ctx, false, r, &out); err != nil {
		return inStatement(err, q.SQL)
	}
	return a.print(out, func(w io.Writer) error {
		_, err := io.WriteString(w, out.Text)
		return err
	})
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
		return table(w, "ID STATE STARTED MS ROWS CELLS FROM SQL", func(row func(...any)) {
			for _, s := range append(out.Running, out.Ended...) {
				from, cells := answeredFrom(&s)
				row(s.ID, s.State, s.Started.Format(time.TimeOnly), fmt.Sprintf("%.1f", s.TookMs), s.Rows, cells, from, shortened(s.SQL))
				if s.Problem != "" {
					row("", "", "", "", "", "", "", "-> "+shortened(s.Problem))
				}
			}
		})
	})
}

// answeredFrom names the cuboids that a statement was answered from, and how many of their cells were looked at.
func answeredFrom(s *statements.Statement) (from string, cells int64) {
	const most = 3
	var list []string
	for _, b := range s.Blocks {
		if b.Cube == "" {
			list = append(list, "events")
			continue
		}
		cells += b.Cells
		list = append(list, b.Cube)
		for _, g := range b.Segments {
			list = append(list, cmp.Or(g.Cuboid, "staged files"))
		}
	}
	if len(list) == 0 && s.From == "events" {
		list = []string{"events"}
	}
	var seen []string
	for _, l := range list {
		if !slices.Contains(seen, l) {
			seen = append(seen, l)
		}
	}
	if len(seen) > most {
		seen = append(seen[:most], fmt.Sprintf("and %d more", len(seen)-most))
	}
	return cmp.Or(strings.Join(seen, " "), "-"), cells
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

// query asks and writes the answer in the form of --output.
func (a *app) query(ctx context.Context, q statements.Query, v view) error {
	if word, rest := firstWord(q.SQL); strings.EqualFold(word, "explain") {
		q.SQL = rest
		return a.explain(ctx, q)
	}
	cl, err := a.connect(ctx, false)
	if err != nil {
		return err
	}
	r := request{method: http.MethodPost, path: "/query", accept: queryMedia[v.output]}
	if err := r.json(q); err != nil {
		return errors.Join(err, cl.close())
	}
	body, err := cl.send(ctx, r)
	if err != nil {
		return errors.Join(inStatement(err, q.SQL), cl.close())
	}
	defer body.Close()
	if v.output != "text" {
		_, err = io.Copy(a.stdout, body)
		return errors.Join(cancelled(ctx, err), cl.close())
	}
	var out server.QueryAnswer
	d := json.NewDecoder(body)
	d.UseNumber()
	if err = cancelled(ctx, d.Decode(&out)); err == nil {
		err = inStatement(v.print(a.stdout, &out), q.SQL)
	}
	return errors.Join(err, cl.close())
}

// cancelled gives an error of what was cut off the reason for that.
func cancelled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
