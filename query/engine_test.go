package query_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/query"
)

// Q5: what an answer covers is what it counts.
func (o *oracle) covered(t *testing.T) {
	for sql, tables := range map[string]int{"SELECT count(*) FROM shop": 1, "SELECT count(*) FROM berlin": 1, "SELECT (SELECT count(*) FROM shop) - (SELECT count(*) FROM berlin)": 2} {
		a, err := o.native.Query(context.Background(), query.Request{SQL: sql})
		must(t, err)
		if len(a.Tables) != tables {
			t.Errorf("%s: %d tables, want %d", sql, len(a.Tables), tables)
		}
		if tables == 1 {
			want, err := o.want(sql)
			must(t, err)
			c := a.Tables[0].Completeness
			if got := strconv.FormatInt(c.Counts.Events, 10); got != want.rows[0][0] || len(c.Holes) > 0 || !c.HasTime || c.TailEvents == 0 {
				t.Errorf("%s: covers %s events, want %s: %+v", sql, got, want.rows[0][0], c)
			}
		}
		must(t, a.Close())
	}
}

// Statements that run at once do not meet, whether they plan, fold or wait for the same things. Some are not read to their end.
func (o *oracle) atOnce(t *testing.T) {
	list := []string{
		"SELECT country, count(*), sum(bytes) FROM shop GROUP BY country",
		"SELECT date_trunc('hour', ts) h, count(*) FROM shop WHERE ts >= '2026-03-27 06:10:00' GROUP BY h",
		"SELECT upper(country) c, avg(latency) FROM shop WHERE device LIKE 'd%' OR ok GROUP BY c HAVING count(*) > 1",
		"SELECT page, count(*) FROM shop GROUP BY page",
		"SELECT ts_day, sum(bytes) FROM berlin GROUP BY ts_day",
		"SELECT country, device, count(*) FROM sales GROUP BY CUBE (country, device)",
		"SELECT ts, country, bytes FROM shop WHERE status = 500",
	}
	wants := make([]result, len(list))
	for i, sql := range list {
		var err error
		wants[i], err = o.want(sql)
		must(t, err)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range list {
				at := (i + n) % len(list)
				got, err := o.got(o.native, query.Request{SQL: list[at]})
				if err != nil {
					t.Errorf("%s: %v", list[at], err)
				} else if d := differ(wants[at], got, terms{}); d != "" {
					t.Errorf("%s: %s", list[at], d)
				}
				if err := o.abandon(list[at]); err != nil {
					t.Errorf("%s: %v", list[at], err)
				}
			}
		})
	}
	all.Wait()
}

// abandon reads the first rows of an answer.
func (o *oracle) abandon(sql string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, err := o.native.Query(ctx, query.Request{SQL: sql})
	if err != nil {
		return err
	}
	rec, err := a.Next()
	if err == nil {
		rec.Release()
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, a.Close())
}
