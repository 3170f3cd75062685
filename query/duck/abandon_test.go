package duck

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// endedBy waits for what is over at last; only a fault makes it take so long.
func endedBy(t *testing.T, what string, over <-chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("%s: not over after a minute", what)
	}
}

// TestAbandon (D8): who asked for what DuckDB does not stop has its answer, and so has the next; the connection comes back when DuckDB has ended,
// and Close does not wait for that.
func TestAbandon(t *testing.T) {
	for _, closed := range []bool{false, true} {
		db, err := Open(Options{MaxConns: 2, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		one := Fixed("one", record(t, fields("a", arrow.PrimitiveTypes.Int64), `[{"a": 1}]`))
		ctx, cancel := context.WithCancelCause(t.Context())
		rows, err := db.Query(ctx, parse(t, db, "SELECT a FROM one"), []Table{one})
		if err != nil {
			t.Fatal(err)
		}
		c, stuck, enough := rows.conn, make(chan struct{}), errors.New("enough")
		err = rows.while(func() error {
			cancel(enough)
			<-stuck
			return nil
		})
		if !errors.Is(err, enough) {
			t.Errorf("a statement that does not stop: %v, want %v", err, enough)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if now, ever := db.Abandoned(); now != 1 || ever != 1 {
			t.Errorf("%d statements are abandoned, %d ever were: want 1 and 1", now, ever)
		}
		if got, err := answer(t, db, "SELECT 2", nil); err != nil || len(db.slots) != 1 {
			t.Errorf("the next statement: %s, %v, with %d connections in use: want 1", got, err, len(db.slots))
		}
		if closed {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		close(stuck)
		back := make(chan struct{})
		go func() {
			defer close(back)
			for range cap(db.slots) { // until all connections are free again
				db.slots <- struct{}{}
			}
		}()
		endedBy(t, "the abandoned statement", back)
		if now, ever := db.Abandoned(); now != 0 || ever != 1 {
			t.Errorf("%d statements are abandoned, %d ever were: want 0 and 1", now, ever)
		}
		if e := c.engine; e.used != 0 || closed != (len(e.idle) == 0) {
			t.Errorf("closed %t: %d connections in use, %d idle", closed, e.used, len(e.idle))
		}
	}
}

// TestLongVector (D8): what DuckDB is seen not to stop is a distance of long texts. The time-out holds all the same.
func TestLongVector(t *testing.T) {
	db := open(t)
	for name, sql := range map[string]string{
		"while it is planned": "SELECT levenshtein(repeat('a', 40000), repeat('b', 40000))",
		"while it runs":       "SELECT levenshtein(s || repeat('a', 40000), repeat('b', 40000)) FROM t",
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("late"))
		rows, err := db.Query(ctx, parse(t, db, sql), []Table{small(t)})
		if err == nil {
			_, err = rows.Next()
			if err := rows.Close(); err != nil {
				t.Error(err)
			}
		}
		cancel()
		if err == nil || !strings.Contains(err.Error(), "late") {
			t.Errorf("%s: %v, want the time-out", name, err)
		}
		if got, err := answer(t, db, "SELECT 1", nil); err != nil {
			t.Errorf("%s: the next statement: %s, %v", name, got, err)
		}
	}
	if _, ever := db.Abandoned(); ever != 2 {
		t.Errorf("%d statements were abandoned, want 2", ever)
	}
}
