package query_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/query"
)

// Columns without a name have DuckDB's, whatever answers them.
func TestItemNames(t *testing.T) {
	w := newWorld(t, 7, 20)
	w.stage(w.parts[0], 10)
	w.apply(cubeYAML, w.firsts())
	o := newOracle(w)
	for i, e := range unnamed() {
		sql := fmt.Sprintf([]string{"SELECT %s, count(*) FROM shop GROUP BY ALL", "SELECT %s FROM shop", "SELECT bytes, shop.*, %s, ok FROM shop"}[i%3], e)
		rows, err := o.db.QueryContext(context.Background(), "DESCRIBE "+sql)
		must(t, err)
		described, err := scan(rows)
		must(t, err)
		var want, got []string
		for _, d := range described {
			want = append(want, d[0])
		}
		d, err := o.native.Describe(context.Background(), query.Request{SQL: sql}, nil)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		for _, f := range d.Schema.Fields() {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", sql, got, want)
		}
	}
}

// unnamed lists expressions.
func unnamed() []string {
	return []string{
		"ts::date", "CAST(ts AS DATE)", "CAST(bytes AS INT)", "bytes::INTEGER", "bytes::int8", "TRY_CAST(page AS BIGINT)", "page::VARCHAR(10)", "price::DECIMAL(18,3)", "price::numeric",
		"bytes::HUGEINT", "ts::TIMESTAMPTZ", "ts::timestamp with time zone", "ts::time", "[bytes]::INTEGER[]", "{'a': bytes}::STRUCT(a VARCHAR)", "page::text", "page::string", "latency::real",
		"ok::bool", "ok::boolean", "bytes::UBIGINT", "page::blob", "'101'::BIT::VARCHAR", "INTERVAL 1 DAY", "ts + INTERVAL '1 day'", "ts + INTERVAL (bytes) DAY", "DATE '2026-01-01'",
		"TIMESTAMP '2026-01-01 00:00:00'", "bytes + 1", "bytes * 2 - 1", "-bytes", "+bytes", "bytes / 2", "bytes // 2", "bytes % 2", "bytes ^ 2", "bytes ** 2", "bytes & 1", "bytes | 1", "~bytes",
		"@bytes", "country || 'x'", "country = 'de'", "country <> 'de'", "country != 'de'", "country IS DISTINCT FROM 'de'", "country IS NULL", "country IS NOT NULL", "country ISNULL", "NOT ok",
		"ok AND status > 1", "ok OR status > 1", "ok IS TRUE", "ok IS NOT FALSE", "country LIKE 'd%'", "country NOT LIKE 'd%'", "country ILIKE 'd%'", "country LIKE 'd!%' ESCAPE '!'",
		"country SIMILAR TO 'd.*'", "country ~ 'd'", "country !~ 'd'", "country GLOB 'd*'", "country IN ('de', 'fr')", "country NOT IN ('de')", "bytes BETWEEN 1 AND 2",
		"bytes NOT BETWEEN 1 AND 2", "CASE WHEN ok THEN 1 ELSE 2 END", "CASE country WHEN 'de' THEN 1 END", "CASE WHEN ok THEN 'x' WHEN status > 1 THEN 'y' END", "coalesce(country, 'x')",
		"ifnull(country, 'x')", "nullif(country, 'x')", "if(ok, 1, 2)", "upper(country)", "UPPER(country)", "Length(country)", "country.upper()", "shop.country.upper()",
		"country.upper().length() + 1", "date_trunc('hour', ts)", "extract(year FROM ts)", "EXTRACT(dow FROM ts)", "date_part('year', ts)", "ts AT TIME ZONE 'UTC'", "strftime(ts, '%d')",
		"time_bucket(INTERVAL '1 hour', ts)", "substring(country FROM 1 FOR 1)", "substring(country, 1, 1)", "position('d' IN country)", "trim(country)", "trim(BOTH 'd' FROM country)",
		"country[1]", "country[1:2]", "[1, 2]", "[bytes, 2]", "list_value(1, 2)", "{'a': 1}", "{'a': country}.a", "struct_pack(a := country)", "MAP {'a': 1}", "ARRAY[1, 2]",
		"[x + 1 FOR x IN [1, 2]]", "list_transform([1], lambda x: x + 1)", "list_filter([1], lambda x: x > 1)", "now()", "current_date", "current_timestamp", "today()", "pi()", "1", "1.5",
		"1e10", "'x'", "'it''s'", "NULL", "true", "TRUE", "-1", "1::DOUBLE", "1.50", "100000000000", "0x10", "1_000", "1e-3", "12345678901234567890123", "'é'", "''", "E'\\n'", "$$x$$",
		"'x'::VARCHAR", "country COLLATE NOCASE", "shop.country", "\"country\"", "shop.\"country\" || 'x'", "COUNTRY", "Country || 'x'", "bytes::DOUBLE / 3", "round(latency, 2)",
		"greatest(bytes, 1)", "concat_ws('-', country, device)", "printf('%d', bytes)", "format('{}', bytes)", "hash(country)", "regexp_matches(country, 'd')",
		"regexp_replace(country, 'd', 'e', 'g')", "string_split(page, '/')", "page -> '$.a'", "(bytes + 1) * 2", "bytes + (1 * 2)", "((bytes))", "exists(SELECT 1)", "(SELECT 1)",
		"1 IN (SELECT 1)", "(SELECT max(bytes) FROM shop)", "day - DATE '2026-01-01'", "day + 1", "typeof(bytes)", "price * 1.0", "total::DECIMAL(38,4)", "ts::TIMESTAMP_S", "ts::TIMESTAMP_NS",
		"ts::datetime", "page::JSON::VARCHAR", "page::uuid", "bytes::smallint", "bytes::long", "'a'::char", "'a'::bpchar", "bytes::decimal", "bytes::decimal(10)", "'x'::ENUM('x')", "[1]::INT[1]",
		"CAST(MAP {'a': 1} AS MAP(VARCHAR, INT))", "CAST({'day': 1} AS STRUCT(\"day\" INT))", "CAST(1 AS UNION(a INT))::VARCHAR", "date_diff('day', ts, sent)", "ts - sent", "epoch(ts)",
		"make_date(2026, 1, 1)", "\"day\" + 1", "day(ts)", "hour(ts)", "country ^@ 'd'", "starts_with(country, 'd')", "ok::INT + 1", "bytes::VARCHAR || 'x'",
	}
}
