package duck

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"go.uber.org/goleak"
)

// endless is a table without an end. It says when it is read, and when it was left.
func endless(t testing.TB, reading chan<- struct{}, left *atomic.Int32) Table {
	rec := record(t, fields("a", arrow.PrimitiveTypes.Int64), "["+strings.Repeat(`{"a": 1},`, 2047)+`{"a": 2}]`)
	return Table{Name: "t", Schema: rec.Schema(), Rows: 1 << 40, Scan: func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
		return func(yield func(arrow.Record, error) bool) {
			defer left.Add(1)
			part := project(rec, columns)
			for i := 0; yield(part, nil); i++ {
				if i == 10 {
					close(reading)
				}
				if ctx.Err() != nil {
					return
				}
			}
		}
	}}
}

// TestCancel (D5): a statement that would run for ever stops when its context is done: in our scan, and within DuckDB.
func TestCancel(t *testing.T) {
	db := open(t)
	for _, tc := range []struct{ name, sql string }{
		{"scan", "SELECT sum(a) FROM t"},
		{"inside", "SELECT count(*) FROM one, range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3 + one.a"},
		{"recursive", "WITH RECURSIVE r(n) AS (SELECT a FROM one UNION ALL SELECT n % 1000 + 1 FROM r) SELECT max(n) FROM r"},
		{"sort", "SELECT a.range FROM one, range(100000) a, range(10000000) b ORDER BY hash(a.range + b.range + one.a)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, cancel := context.WithCancelCause(t.Context())
			reading, left := make(chan struct{}), new(atomic.Int32)
			s := parse(t, db, tc.sql)
			enough := errors.New("enough")
			var helper sync.WaitGroup
			helper.Go(func() {
				<-reading
				cancel(enough)
			})
			one := Fixed("one", record(t, fields("a", arrow.PrimitiveTypes.Int64), `[{"a": 1}]`))
			scan := one.Scan
			one.Scan = func(ctx context.Context, columns []int) iter.Seq2[arrow.Record, error] {
				return func(yield func(arrow.Record, error) bool) {
					scan(ctx, columns)(yield)
					close(reading) // from here on it is DuckDB that works
				}
			}
			rows, err := db.Query(ctx, s, []Table{endless(t, reading, left), one})
			if err == nil {
				_, err = rows.Next()
				if err := rows.Close(); err != nil {
					t.Error(err)
				}
			}
			helper.Wait()
			if !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, enough)
			}
			if tc.name == "scan" && left.Load() != 1 {
				t.Errorf("the scan was left %d times, want 1", left.Load())
			}
			if got, err := answer(t, db, "SELECT 1", nil); err != nil {
				t.Errorf("the next statement: %s, %v", got, err)
			}
		})
	}
}

// TestCloseEarly (D5): after Close no scan runs any more, whatever was read.
func TestCloseEarly(t *testing.T) {
	db := open(t)
	for _, read := range []int{0, 1, 3} {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		left := new(atomic.Int32)
		rows, err := db.Query(t.Context(), parse(t, db, "SELECT a + 1 FROM t"), []Table{endless(t, make(chan struct{}), left)})
		if err != nil {
			t.Fatal(err)
		}
		for range read {
			rec, err := rows.Next()
			if err != nil {
				t.Fatal(err)
			}
			rec.Release()
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if left.Load() != 1 {
			t.Errorf("after %d reads: the scan was left %d times, want 1", read, left.Load())
		}
	}
}

// TestCancelWhileReading: the context counts also while rows are read.
func TestCancelWhileReading(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := db.Query(ctx, parse(t, db, "SELECT a.range FROM range(10000000) a"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rec, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	rec.Release()
	cancel()
	for range 2 {
		if _, err := rows.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
}

// TestWaiting: who finds no connection free waits, and gives up when its context is done.
func TestWaiting(t *testing.T) {
	db := open(t)
	var all []*Rows
	s := parse(t, db, "SELECT 1")
	for range db.opts.MaxConns {
		rows, err := db.Query(t.Context(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Parse(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	done := make(chan error)
	go func() {
		_, err := answer(t, db, "SELECT 2", nil)
		done <- err
	}()
	for _, rows := range all {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAtOnce: statements of many goroutines read their own tables, each its own.
func TestAtOnce(t *testing.T) {
	db := open(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				n := i*1000 + j
				in := Fixed("t", record(t, fields("a", arrow.PrimitiveTypes.Int64), `[{"a": `+itoa(n)+`}, {"a": 1}]`))
				in.Rows = parallelRows
				got, err := answer(t, db, "SELECT sum(x.a)::BIGINT FROM t x, t y", []Table{in})
				if want := "int64\n" + itoa(2*(n+1)); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	all.Wait()
}

// TestManyRecords (D6): a large table goes through in parallel, each row once, and few records are there at a time.
func TestManyRecords(t *testing.T) {
	db := open(t)
	rec := record(t, fields("a", arrow.PrimitiveTypes.Int64, "s", arrow.BinaryTypes.String), `[{"a": 1, "s": "a string that is longer"}, {"a": 2, "s": "b"}, {"a": 3, "s": null}]`)
	const n = 20_000
	in := Table{Name: "t", Schema: rec.Schema(), Rows: 3 * n, Scan: func(_ context.Context, columns []int) iter.Seq2[arrow.Record, error] {
		return func(yield func(arrow.Record, error) bool) {
			for range n {
				part := project(rec, columns)
				ok := yield(part, nil)
				part.Release()
				if !ok {
					return
				}
			}
		}
	}}
	got, err := answer(t, db, "SELECT count(*), sum(a)::BIGINT, count(s), max(s) FROM t", []Table{in})
	if want := "int64 int64 int64 utf8\n60000|120000|40000|b"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestBoxes (D5): what DuckDB held of ours is given back when its statement is over.
func TestBoxes(t *testing.T) {
	db := open(t)
	run := func() {
		if _, err := answer(t, db, "SELECT count(*) FROM t x, t y", []Table{small(t)}); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(t, db, "SELECT error(s) FROM t", []Table{small(t)}); err == nil {
			t.Fatal("no error")
		}
		left := new(atomic.Int32)
		rows, err := db.Query(t.Context(), parse(t, db, "SELECT a FROM t"), []Table{endless(t, make(chan struct{}), left)})
		if err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run()
	before := db.boxes.Load()
	for range 5 {
		run()
	}
	if after := db.boxes.Load(); after != before {
		t.Errorf("%d boxes are held after five more runs, %d before", after, before)
	}
}

// TestMemory: a statement that needs more than there is fails with the limit's kind, and the next one runs.
func TestMemory(t *testing.T) {
	db, err := Open(Options{MaxConns: 1, MemoryBytes: 64 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = answer(t, db, "SELECT count(*) FROM (SELECT DISTINCT hash(range) FROM range(20000000))", nil)
	if e := asError(t, err); e.Kind != KindMemory {
		t.Errorf("got %s: %v, want %s", e.Kind, err, KindMemory)
	}
	if got, err := answer(t, db, "SELECT 1", nil); err != nil {
		t.Errorf("the next statement: %s, %v", got, err)
	}
}

// TestClosed: a closed DuckDB says so.
func TestClosed(t *testing.T) {
	db := open(t)
	s := parse(t, db, "SELECT 1")
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Query(t.Context(), s, nil); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want %v", err, errClosed)
	}
}
