//go:build !race

// One statement at a time: the race detector sees more in those that run at once.

package query_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// statement finds those of a file of testdata.
var statement = regexp.MustCompile(`(?m)^(?:query|error|refused)[^\n]*\n((?:[^\n]+\n)+?)----`)

// FuzzStatement (Q6, I12): whatever text comes, there is an answer or an error that says what is wrong, within the time-out, and the turn is
// given back: the engine has one.
func FuzzStatement(f *testing.F) {
	files, err := filepath.Glob("testdata/*.test")
	must(f, err)
	n := 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		must(f, err)
		for _, m := range statement.FindAllSubmatch(text, -1) {
			f.Add(string(m[1]))
			n++
		}
	}
	if n < 150 {
		f.Fatalf("%d statements in testdata, want at least 150", n)
	}
	e := fuzzed(f)
	f.Fuzz(func(t *testing.T, sql string) {
		wrong := read(e, sql)
		var known *duck.Error
		var late *query.TimeoutError
		switch {
		case wrong == nil, errors.As(wrong, &late):
		case !errors.As(wrong, &known) || known.Message == "" || known.Offset > len(sql):
			t.Fatalf("%q: %v, want an error of the statement", sql, wrong)
		}
		if running, _ := e.Statements(); len(running) > 0 {
			t.Fatalf("%q still runs", sql)
		}
		if err := read(e, "SELECT country, count(*) FROM shop GROUP BY country"); err != nil {
			t.Fatalf("after %q: %v", sql, err)
		}
	})
}

// fuzzed is an engine over a small world.
func fuzzed(f *testing.F) *query.Engine {
	w := newWorld(f, 7, 300)
	w.stage(w.parts[0], 200)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{w.parts[0].line(0, 100)}, false)
	w.remember(w.parts[0], 200, 64)
	e, err := query.New(query.Options{
		Catalog: w.cat, Store: w.store, Tail: w, Duck: duck.Options{MemoryBytes: 64 << 20, HeapBytes: 128 << 20, MaxConns: 2, Threads: 1},
		Timeout: 2 * time.Second, Concurrent: 1, Queue: 1, QueueWait: time.Millisecond,
	})
	must(f, err)
	f.Cleanup(func() { must(f, e.Close()); must(f, w.cat.Close()) })
	return e
}

// read reads an answer to its end, or to so many rows that the rest tells nothing new.
func read(e *query.Engine, sql string) (err error) {
	a, err := e.Query(context.Background(), query.Request{SQL: sql})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	const most = 100_000
	for rows := int64(0); rows < most; {
		rec, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows += rec.NumRows()
		rec.Release()
	}
	return nil
}
