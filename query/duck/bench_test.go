package duck

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

const dashboard = `SELECT date_trunc('hour', ts) AS hour, country, count(*), sum(bytes), count(DISTINCT visitor_id)
FROM pageviews WHERE ts >= TIMESTAMP '2026-01-01 00:00:00' AND ts < TIMESTAMP '2026-01-02 00:00:00' AND device IN ('mobile', 'tablet')
GROUP BY 1, 2 HAVING count(*) > 10 ORDER BY 1, 3 DESC LIMIT 100`

func BenchmarkParse(b *testing.B) {
	db := open(b)
	for name, sql := range map[string]string{
		"one": "SELECT 1", "dashboard": dashboard,
		"in10000": "SELECT count(*) FROM t WHERE a IN (" + each(10_000, func(i int) string { return fmt.Sprintf("%d, ", i) }) + "0)",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				parse(b, db, sql)
			}
		})
	}
}

func BenchmarkText(b *testing.B) {
	db := open(b)
	q := parse(b, db, dashboard).Query
	for b.Loop() {
		if _, err := db.Text(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile is of a tree that was compiled before.
func BenchmarkCompile(b *testing.B) {
	db := open(b)
	q := parse(b, db, dashboard).Query
	for b.Loop() {
		if _, err := db.Compile(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	db := open(b)
	items := parse(b, db, "SELECT upper(s) || '!', a * 2 > 10").Query.(*Select).Items
	for _, n := range []int{1, 1000, 100_000} {
		rec := rowsOf(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				out, err := db.Eval(b.Context(), items, rec)
				if err != nil {
					b.Fatal(err)
				}
				out.Release()
			}
		})
	}
}

func rowsOf(b *testing.B, n int) arrow.Record {
	rows := each(n, func(i int) string { return fmt.Sprintf(`{"a": %d, "s": "https://example.com/pages/%d"},`, i, i%1000) })
	return record(b, fields("a", arrow.PrimitiveTypes.Int64, "s", arrow.BinaryTypes.String), "["+strings.TrimSuffix(rows, ",")+"]")
}

func BenchmarkQuery(b *testing.B) {
	db := open(b)
	for _, tc := range []struct {
		name, sql string
		rows      int
	}{
		{"trivial", "SELECT 1", 1},
		{"rest", "SELECT g0, a0 / a1 AS x FROM t b(a0, g0), (SELECT 2 AS a1) c WHERE a0 > 1 ORDER BY x DESC LIMIT 10", 1000},
		{"sum", "SELECT sum(a) FROM t", 100_000},
		{"strings", "SELECT max(s) FROM t", 100_000},
		{"out", "SELECT a, s FROM t", 100_000},
	} {
		in := Fixed("t", rowsOf(b, tc.rows))
		s := parse(b, db, tc.sql)
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				rows, err := db.Query(b.Context(), s, []Table{in})
				if err != nil {
					b.Fatal(err)
				}
				for rec, err := rows.Next(); err == nil; rec, err = rows.Next() {
					rec.Release()
				}
				if err := rows.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(tc.rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
