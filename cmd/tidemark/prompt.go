package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/tidemarkdb/tidemark/cmd/tidemark/prompt"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/statements"
	"github.com/tidemarkdb/tidemark/query/plan"
)

const promptHelp = `A statement ends with a semicolon and may have several lines. EXPLAIN SELECT ... says how it would be answered.

  \d            tables
  \d TABLE      columns of a table, and its cubes
  \x            a line for each value, on or off
  \o FORMAT     write answers as text, json or csv
  \timing       time of answers, on or off
  \q            leave, as does Ctrl-D

Ctrl-C ends the statement that runs. Arrow up brings back what was typed.
`

// typed reports whether standard input is a terminal.
func (a *app) typed() bool {
	f, ok := a.stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// promptRun is one use of the prompt.
type promptRun struct {
	a    *app
	q    statements.Query // what all statements are asked with
	rows int64            // of q, where all rows are not wanted
	v    view
}

// prompt talks to the terminal itself: answers go to standard output, which may be a file.
func (a *app) prompt(ctx context.Context, q statements.Query, v view) (err error) {
	r := &promptRun{a: a, q: q, rows: q.MaxRows, v: v}
	// It is opened once more, since what is inherited cannot be told to stop waiting for a key.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tty.Close()) }()
	if err := r.greet(ctx, tty); err != nil {
		return err
	}
	return prompt.Run(ctx, prompt.Options{
		Terminal: tty, History: a.historyFile(), Statement: r.statement, Command: r.command, Interrupts: a.diverted, Report: func(err error) { a.report(err) },
	})
}

// historyFile is where the prompt keeps what was typed; "" where there is no place for it.
func (a *app) historyFile() string {
	env := func(name string) string {
		for _, kv := range slices.Backward(a.env) {
			if k, v, ok := strings.Cut(kv, "="); ok && k == name {
				return v
			}
		}
		return ""
	}
	if state := env("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "tidemark", "history")
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "tidemark", "history")
	}
	return ""
}

// greet says who answers, or fails if nobody does.
func (r *promptRun) greet(ctx context.Context, tty io.Writer) error {
	c, err := r.a.connect(ctx, false)
	if err != nil {
		return err
	}
	who := "no tidemark runs here: what was read by the last one is answered from its files"
	if c.node == nil {
		who = "the tidemark at " + c.base + " answers"
	}
	if err := c.close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(tty, "%s. \\? for help, \\q to leave.\n", who)
	return err
}

func (r *promptRun) statement(ctx context.Context, sql string) error {
	q := r.q
	q.SQL = sql
	r.v.width = r.a.width()
	return r.a.query(ctx, q, r.v)
}

func firstWord(s string) (word, rest string) {
	s = strings.TrimSpace(s)
	at := strings.IndexAny(s, " \t\r\n")
	if at < 0 {
		return s, ""
	}
	return s[:at], strings.TrimSpace(s[at:])
}

// command does what a line asks for that begins with a backslash.
func (r *promptRun) command(ctx context.Context, line string) error {
	name, arg := firstWord(strings.TrimSuffix(line, ";"))
	switch name {
	case `\q`:
		return prompt.ErrQuit
	case `\?`, `\h`, `\help`:
		_, err := io.WriteString(r.a.stdout, promptHelp)
		return err
	case `\d`, `\dt`:
		if arg == "" {
			return r.tables(ctx)
		}
		return r.columns(ctx, arg)
	case `\x`:
		r.v.expanded = !r.v.expanded
		return r.say("a line for each value: %s", r.v.expanded)
	case `\timing`:
		r.v.timing = !r.v.timing
		return r.say("time of answers: %s", r.v.timing)
	case `\o`:
		return r.output(arg)
	}
	return usage("there is no command %s: \\? lists them", plainText(name))
}

func (r *promptRun) say(format string, on bool) error {
	state := "off"
	if on {
		state = "on"
	}
	_, err := fmt.Fprintf(r.a.stdout, format+"\n", state)
	return err
}

// output changes the form of answers.
func (r *promptRun) output(form string) error {
	switch form {
	case "text", "json", "csv":
		r.v.output = form
		if r.q.MaxRows = 0; form == "text" {
			r.q.MaxRows = r.rows
		}
		_, err := fmt.Fprintf(r.a.stdout, "answers are written as %s\n", form)
		return err
	case "arrow", "parquet":
		return usage(`%s is not for a terminal: tidemark query -o %[1]s "SELECT ..." > answer.%[1]s`, form)
	}
	return usage(`\o %s: want text, json or csv`, plainText(form))
}

// tables lists the tables of the project.
func (r *promptRun) tables(ctx context.Context) error {
	var out server.Tables
	if err := r.a.askOnce(ctx, false, request{method: http.MethodGet, path: "/tables", query: queryOf("project", projectOr(r.q.Project))}, &out); err != nil {
		return err
	}
	var looked server.Lookups
	if err := r.a.askOnce(ctx, false, request{method: http.MethodGet, path: "/lookups", query: queryOf("project", projectOr(r.q.Project))}, &looked); err != nil {
		return err
	}
	if len(out.Tables)+len(looked.Lookups) == 0 {
		_, err := fmt.Fprintln(r.a.stdout, "no tables: make one with tidemark table apply -f FILE")
		return err
	}
	return table(r.a.stdout, "TABLE KIND ROWS EVENT-TIME COLUMNS", func(row func(...any)) {
		for _, t := range out.Tables {
			row(t.Table, "topic "+t.Topic, t.Stats.Events, t.EventTime, t.Columns)
		}
		for _, l := range looked.Lookups {
			row(l.Name, "lookup table", l.Rows, "-", len(l.Columns))
		}
	})
}

func projectOr(name string) string {
	if name == "" {
		return "default"
	}
	return name
}

// sqlName is what SQL calls a type of a definition.
func sqlName(t cube.Type) string {
	name, ok := map[cube.Kind]string{
		cube.String: "VARCHAR", cube.Int64: "BIGINT", cube.Float64: "DOUBLE", cube.Bool: "BOOLEAN", cube.Date: "DATE", cube.Timestamp: "TIMESTAMP", cube.JSON: "VARCHAR",
	}[t.Kind]
	switch {
	case ok:
		return name
	case t.Kind == cube.Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	}
	return "BLOB"
}

// columns lists those of a table, and what cubes it has.
func (r *promptRun) columns(ctx context.Context, name string) error {
	name = strings.Trim(name, `"`)
	var out server.Table
	err := r.a.askOnce(ctx, false, request{method: http.MethodGet, path: tablePath(name), query: queryOf("project", r.q.Project)}, &out)
	var refused *server.Error
	if errors.As(err, &refused) && refused.Code == "not_found" {
		return fmt.Errorf("there is no table %s: \\d lists them", plainText(name))
	}
	if err != nil {
		return err
	}
	var cubes server.Cubes
	if err := r.a.askOnce(ctx, false, request{method: http.MethodGet, path: "/cubes", query: queryOf("project", projectOr(r.q.Project))}, &cubes); err != nil {
		return err
	}
	err = table(r.a.stdout, "COLUMN TYPE NOTE", func(row func(...any)) {
		for _, c := range plan.TableRelation(out.Definition).Columns {
			note := ""
			switch {
			case c.Name == out.Definition.EventTime.Column:
				note = "event time"
			case c.Hidden && c.Of != c.Name:
				note = "of " + c.Of + ", not in *"
			case c.Hidden:
				note = "of the record, not in *"
			}
			row(c.Name, sqlName(c.Type), note)
		}
	})
	for _, c := range cubes.Cubes {
		if c.Table == out.Table {
			fmt.Fprintf(r.a.stdout, "cube %s: %d ready segments\n", c.Cube, c.Ready)
		}
	}
	return err
}
