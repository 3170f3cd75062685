//go:build !race

// It takes the place of the allocator that all packages share.

package query_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tidemarkdb/tidemark/query"
)

// Whatever becomes of a statement, all that its answer took of Arrow's memory is given back: when it is read to its end, cancelled in the middle,
// when it fails in the middle, and when whoever asked it goes away.
func TestAnswersAreReleased(t *testing.T) {
	w := someWorld(t)
	checked := &counted{CheckedAllocator: memory.NewCheckedAllocator(memory.DefaultAllocator)}
	before := memory.DefaultAllocator
	memory.DefaultAllocator = checked
	defer func() { memory.DefaultAllocator = before }()
	store := &gone{Store: w.store}
	e := w.limited(query.Options{NoResults: true, Store: store, MaxRows: 100_000})
	for _, sql := range []string{
		"SELECT country, count(*), sum(bytes) FROM shop GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3",
		"SELECT country, device, count(*), max(price) FROM shop GROUP BY CUBE (1, 2)",
		"SELECT upper(country), avg(latency) FROM shop WHERE ok GROUP BY 1 HAVING count(*) > 1",
		"SELECT page, count(*) FROM shop GROUP BY page",
		"SELECT ts, country, bytes FROM shop WHERE status = 500",
		"SELECT a.n, b.m FROM (SELECT country, count(*) n FROM shop GROUP BY 1) a JOIN (SELECT country, max(price) m FROM shop GROUP BY 1) b USING (country)",
		"SELECT l.country, l.bytes / r.range FROM shop l, range(1000) r",
		"SELECT country, CASE WHEN n > 5 THEN error('enough') ELSE 'x' END FROM (SELECT country, count(*) n FROM shop GROUP BY 1)",
		"SELECT CASE WHEN bytes > 900 THEN error('enough') ELSE page END FROM shop, range(1000)",
		"SELECT country, r.range FROM shop, range(10000) r",
	} {
		for name, ended := range endings() {
			err := ended(e, sql)
			if left := checked.CurrentAlloc(); left != 0 {
				t.Errorf("%s: %s (%v): %d bytes are left", sql, name, err, left)
				memory.DefaultAllocator = before
				return
			}
			if running, _ := e.Statements(); len(running) != 0 {
				t.Errorf("%s: %s: %d statements still run", sql, name, len(running))
			}
		}
		if strings.Contains(sql, "error(") {
			if _, err := answered(e, query.Request{SQL: sql}); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("%s: %v, want the error of its text", sql, err)
			}
		}
	}
	store.on.Store(true) // a start in vain
	e = w.limited(query.Options{NoResults: true, Store: store})
	if _, err := answered(e, query.Request{SQL: "SELECT country, count(*) FROM shop GROUP BY 1"}); err != nil {
		t.Error(err)
	}
	checked.AssertSize(t, 0)
	if n := checked.taken.Load(); n < 100 {
		t.Errorf("%d pieces of memory were taken: nothing was tested", n)
	}
}

// counted counts what is taken.
type counted struct {
	*memory.CheckedAllocator
	taken atomic.Int64
}

func (c *counted) Allocate(n int) []byte {
	c.taken.Add(1)
	return c.CheckedAllocator.Allocate(n)
}

// endings are the ways in which an answer ends. Errors are the statement's own.
func endings() map[string]func(*query.Engine, string) error {
	some := func(e *query.Engine, sql string, reads int, cancelled bool) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a, err := e.Query(ctx, query.Request{SQL: sql})
		if err != nil {
			return err
		}
		for range reads {
			rec, err := a.Next()
			if err != nil {
				return errors.Join(err, a.Close())
			}
			rec.Release()
		}
		if cancelled {
			cancel()
			if rec, err := a.Next(); err == nil {
				rec.Release() // one that was there
			}
		}
		return a.Close()
	}
	return map[string]func(*query.Engine, string) error{
		"to its end": func(e *query.Engine, sql string) error {
			_, err := answered(e, query.Request{SQL: sql})
			return err
		},
		"cancelled before a row":  func(e *query.Engine, sql string) error { return some(e, sql, 0, true) },
		"cancelled in the middle": func(e *query.Engine, sql string) error { return some(e, sql, 1, true) },
		"left before a row":       func(e *query.Engine, sql string) error { return some(e, sql, 0, false) },
		"left in the middle":      func(e *query.Engine, sql string) error { return some(e, sql, 1, false) },
		"cancelled before it begins": func(e *query.Engine, sql string) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := e.Query(ctx, query.Request{SQL: sql})
			return err
		},
	}
}
