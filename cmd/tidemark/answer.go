package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/server/statements"
)

// view is how an answer is shown.
type view struct {
	output   string // a form of --output
	width    int    // of the terminal, in columns; 0: it is none, and nothing is cut
	expanded bool   // a line for each value
	timing   bool
}

// width returns the columns of the terminal that standard output is; 0: it is none.
func (a *app) width() int {
	f, ok := a.stdout.(*os.File)
	if !ok {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// print prints rows, and below them what they cover.
func (v view) print(w io.Writer, a *server.QueryAnswer) error {
	if err := newSheet(a).print(w, v); err != nil {
		return err
	}
	rows := fmt.Sprintf("%d rows", a.Count)
	if a.Count == 1 {
		rows = "1 row"
	}
	if a.Truncated {
		rows = fmt.Sprintf("the first %s, there are more", rows)
	}
	parts := []string{rows}
	if v.timing {
		parts = append(parts, fmt.Sprintf("%.1f ms", a.TookMs))
	}
	if a.Cached {
		parts = append(parts, "kept from before")
	}
	parts = append(parts, sources(a)...)
	if _, err := fmt.Fprintf(w, "(%s)\n", strings.Join(parts, ", ")); err != nil {
		return err
	}
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

// sources says what answered: cubes with what was read of them, and events.
func sources(a *server.QueryAnswer) (out []string) {
	events := len(a.Tables) > 0 && len(a.Blocks) == 0
	for _, b := range a.Blocks {
		if b.Cube == "" {
			events = true
			continue
		}
		out = append(out, fmt.Sprintf("%d cells of cube %s", b.Cells, b.Cube))
	}
	if events {
		out = append(out, "events")
	}
	if len(out) > 0 {
		out = []string{"from " + strings.Join(slices.Compact(out), ", ")}
	}
	return out
}

// coverageText says in one line what an answer covers of a table.
func coverageText(t *statements.QueryTable) string {
	parts := []string{fmt.Sprintf("%d events", t.Events)}
	if t.Newest != nil {
		parts[0] += " to " + t.Newest.Format(time.RFC3339) + ageText(time.Since(*t.Newest))
	}
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(t.TailEvents, "of them in memory")
	add(t.Quarantined, "quarantined")
	add(t.Skipped, "skipped")
	add(t.Lost, "lost")
	add(int64(len(t.Holes)), "holes: the answer is partial")
	if t.Watermark != nil {
		parts = append(parts, "watermark "+t.Watermark.Format(time.RFC3339))
	}
	add(int64(len(t.Idle)), "partitions idle")
	add(int64(len(t.TailElsewhere)), "partitions without what other processes hold in memory")
	if t.AsOf != nil && t.AsOf.Version == 0 {
		parts = append(parts, "as of "+t.AsOf.Asked)
	} else if t.AsOf != nil {
		parts = append(parts, fmt.Sprintf("as of version %d", t.AsOf.Version))
	}
	return t.Table + ": " + strings.Join(parts, ", ")
}

// ageText says how old a moment is; what lies ahead has no age.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Second:
		return fmt.Sprintf(" (%.1f s ago)", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf(" (%d s ago)", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf(" (%d min ago)", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf(" (%d h ago)", d/time.Hour)
	}
	return fmt.Sprintf(" (%d days ago)", d/(24*time.Hour))
}

// statementError shows where in a statement a mistake is.
type statementError struct {
	err error
	sql string
	at  *server.Error
}

func (e *statementError) Unwrap() error { return e.err }

const shownLine = 100 // characters of a line with a mistake

func (e *statementError) Error() string {
	lines := strings.Split(e.sql, "\n")
	if e.at.Line > len(lines) {
		return e.err.Error()
	}
	line := []rune(plainText(strings.ReplaceAll(lines[e.at.Line-1], "\t", " ")))
	at := min(e.at.Column-1, len(line))
	from := max(0, min(at-shownLine/2, len(line)-shownLine))
	to := min(from+shownLine, len(line))
	return fmt.Sprintf("%s\n  %s\n  %s^", e.err, string(line[from:to]), strings.Repeat(" ", columns(string(line[from:at]))))
}

// inStatement adds the place of a mistake to an error, if it has one.
func inStatement(err error, sql string) error {
	var e *server.Error
	if errors.As(err, &e) && e.Line > 0 && e.Column > 0 {
		return &statementError{err, sql, e}
	}
	return err
}
