package plan_test

import (
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// A constant that is folded is what DuckDB computes; what DuckDB refuses is not folded.
func TestFold(t *testing.T) {
	o := newOracle(t, 7, 0)
	folded := 0
	exprs := []string{
		"1", "-5", "1.50", "-1.5", "1e3", "'x'", "true", "NULL", "1 = 1", "'a' = 'b'", "1 <> 1", "10000000000", "CAST('5' AS BIGINT)",
		"CAST(5.0::DOUBLE AS INTEGER)", "CAST(3000000000 AS INTEGER)", "trunc(1.7::DOUBLE)", "CAST('t' AS BOOLEAN)",
		"INTERVAL 5 DAY + INTERVAL 1 HOUR", "now() - INTERVAL 1 DAY", "date_trunc('day', now())", "current_date - 1", "current_date", "today() + 3",
		"localtimestamp", "current_timestamp", "date_trunc('hour', TIMESTAMP '2024-05-06 07:08:09')", "date_trunc('month', DATE '2024-05-06')",
		"DATE '2024-01-31' + INTERVAL 1 MONTH", "TIMESTAMP '2024-03-31 10:00:00' - INTERVAL 1 MONTH", "DATE '2024-02-29' + INTERVAL 1 YEAR",
		"2 * INTERVAL 3 HOUR + TIMESTAMP '2024-01-01'", "TIMESTAMP '2024-01-01' - INTERVAL '1 day 2 hours'", "DATE '2024-01-01' + 40",
		"TIMESTAMP '2024-01-01' + INTERVAL (-3) WEEK", "TIMESTAMP '2024-01-01 00:00:00.5'::DATE", "'2024-01-01'::DATE::TIMESTAMP",
		"TIMESTAMP '2024-01-01' - TIMESTAMP '2023-01-01'", "DATE '2024-01-01' - DATE '2023-01-01'", "TIMESTAMP 'infinity'", "DATE '290000-01-01' + INTERVAL 1 DAY",
		"INTERVAL 1 QUARTER + DATE '2024-01-01'", "-INTERVAL 1 DAY + DATE '2024-01-01'", "TIMESTAMP '2024-01-01' + INTERVAL '1 fortnight'",
	}
	for _, text := range []string{
		"2024-02-29", "2023-02-29", "2024-1-2", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02 03:04", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05Z",
		"2024-01-02 03:04:05.123456", "2024-01-02 03:04:05.1234567", "2024-01-02 03:04:05,5", "2024-01-02 24:00:00", "2024-01-02 03:04:05+02", "2024-01-02 03:04:05-03:30",
		"2024-01-02T03:04:05+02:00", " 2024-01-02", "2024-01-02 ", "0001-01-01", "9999-12-31 23:59:59", "20240102", "2024/01/02", "now", "epoch", "",
		"2024-01-02 03:04:05 UTC", "2024-01-02 3:04:05", "2024-01-02 03:04:60", "10000-01-01",
	} {
		for _, to := range []string{"DATE", "TIMESTAMP", "TIMESTAMPTZ"} {
			exprs = append(exprs, "CAST('"+text+"' AS "+to+")")
		}
	}
	for _, e := range exprs {
		st, err := o.analyse(t, "SELECT "+e+" AS x", false)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		got, ok := plan.Fold(st.Root.(*duck.Select).Items[0])
		if !ok || strings.Contains(got, "months") {
			continue
		}
		folded++
		var want *string
		text := "SELECT (" + o.exprText(t, st.Root.(*duck.Select).Items[0]) + ")::VARCHAR"
		text = strings.Replace(text, " AS x)::VARCHAR", ")::VARCHAR", 1)
		if err := o.duck.QueryRowContext(t.Context(), text).Scan(&want); err != nil {
			t.Errorf("%s: folded to %s, but DuckDB says %v", e, got, err)
			continue
		}
		if want == nil {
			want = new(string)
			*want = "NULL"
		}
		full := strings.TrimSuffix(strings.TrimSuffix(*want, " 00:00:00"), ".0")
		if got != *want && strings.TrimSuffix(got, " 00:00:00") != full {
			t.Errorf("%s: got %s, want %s", e, got, *want)
		}
	}
	if folded < 55 {
		t.Errorf("%d of %d were folded, want at least 55", folded, len(exprs))
	}
}
