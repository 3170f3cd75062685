SELECT 1
SELECT country, count(*), sum(bytes) AS "sum" FROM pageviews WHERE ts >= TIMESTAMP '2026-01-01 00:00:00' AND ts < '2026-01-02' GROUP BY country HAVING count(*) > 10 ORDER BY 2 DESC NULLS LAST, country LIMIT 10 OFFSET 5
WITH a(x) AS (SELECT 1), b AS MATERIALIZED (SELECT 2 AS y) SELECT DISTINCT ON (x) x c, y FROM a, b
WITH a AS (SELECT 1 AS x UNION ALL SELECT 2) SELECT * FROM a WHERE x IN (SELECT x FROM a)
SELECT count(*), sum(DISTINCT x) FILTER (WHERE y > 1), list(x ORDER BY y DESC NULLS FIRST), string_agg(DISTINCT s, ',') FROM s.t AS q(aa, bb) JOIN u USING (k)
SELECT a, b, count(*) FROM t GROUP BY GROUPING SETS ((1), (a, 2), ()) QUALIFY row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) = 1 ORDER BY ALL
SELECT a, b, sum(c), grouping(a) FROM t GROUP BY ROLLUP (a, b)
SELECT a, sum(c) FROM t GROUP BY ALL
SELECT a FROM t GROUP BY CUBE (a, b) HAVING a IS NOT NULL
SELECT 1 UNION ALL SELECT 2 UNION SELECT 3 ORDER BY 1 LIMIT 3
(SELECT a FROM t EXCEPT SELECT a FROM u) INTERSECT SELECT a FROM v
SELECT 1 AS a UNION BY NAME SELECT 2 AS b
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t
SELECT * FROM (VALUES (1, 2), (3, 4)) v(a, b), range(10) r(i), (SELECT 1) z
VALUES (1, 'a'), (2, NULL)
FROM t
FROM t SELECT a WHERE a > 1
SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM t
SELECT COLUMNS('x.*'), t.*, * LIKE 'x%', COLUMNS(c -> c LIKE 'a%') FROM t
SELECT * RENAME (a AS b) FROM t
SELECT CASE x WHEN 1 THEN 2 ELSE 3 END, CASE WHEN a THEN b END FROM t
SELECT x::DECIMAL(10, 2), TRY_CAST(x AS DATE), x::INT[], x::STRUCT(a INT, b VARCHAR), x::ENUM ('a', 'b'), x::MAP(INT, VARCHAR), x::INT[3] FROM t
SELECT x COLLATE NOCASE, list_transform(l, lambda e: e + 1), [e * 2 FOR e IN l IF e > 1] FROM t
SELECT #1, $1, $2 + $1 FROM t ORDER BY #1
SELECT $name, $other
SELECT ?, ? + 1
SELECT EXISTS (SELECT 1), NOT EXISTS (SELECT 1), x IN (SELECT 2), x NOT IN (SELECT 2), x = ANY (SELECT 3), x <> ALL (SELECT 1), (SELECT max(a) FROM u WHERE u.k = t.k), ARRAY(SELECT 1) FROM t
SELECT -5, 1.5, 1e10, 1e400, 170141183460469231731687303715884105727, -12345678901234567890123, 9223372036854775807, 9223372036854775808, 9007199254740993, 1.23456789012345678901234567890123456789, 0.1, 99999999999999999999999999999999999.999
SELECT 'a''b', '', 'ä€😀', E'\n\t\\', $$dollar$$, NULL, true, false, '\xAA'::BLOB, 'x"y'
SELECT INTERVAL 1 DAY, INTERVAL '1' HOUR, INTERVAL (a) MINUTE, DATE '2020-01-01', TIMESTAMP '2020-01-01', TIMESTAMPTZ '2020-01-01 00:00:00+02', TIME '10:11:12' FROM t
SELECT [1, 2], {'a': 1, 'b c': 'x'}, x[1], x[1:2], x[-1], s.f, s['f'], MAP {1: 2}, row(1, 2), (1, 2), struct_pack(a := 1) FROM t
SELECT coalesce(a, b), nullif(a, b), ifnull(a, b), if(a, b, c), a || b, a LIKE b, a NOT LIKE 'x', a ILIKE b, a SIMILAR TO 'x', a ~ 'b', a GLOB 'x', a LIKE 'x!%' ESCAPE '!' FROM t
SELECT NOT a, a AND b OR c, a = b, a <> b, a != b, a < b, a <= b, a > b, a >= b, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b, a BETWEEN 1 AND 2, a NOT BETWEEN 1 AND 2, a IN (1, 2), a NOT IN (1), a IS NULL, a IS NOT NULL, a IN (1) FROM t
SELECT a + b - c * d / e // f % g, -a, +a, a ** b, a ^ b, a & b, a | b, a << 1, a >> 1, ~a, @a, a! FROM t
SELECT now(), current_timestamp, current_date, extract(year FROM x), x.upper(), a AT TIME ZONE 'UTC', date_trunc('day', a), time_bucket(INTERVAL 5 MINUTE, a), a::DATE, date_part('hour', a), strftime(a, '%Y') FROM t
SELECT count(*) OVER w, sum(a) FILTER (WHERE b) OVER (PARTITION BY c), lag(a, 1, 0) OVER w, first_value(a IGNORE NULLS) OVER w, rank() OVER (ORDER BY a DESC), sum(a) OVER (ORDER BY b RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM t WINDOW w AS (ORDER BY a)
SELECT approx_count_distinct(a), approx_quantile(a, 0.5), quantile_cont(a, [0.5, 0.9]), quantile_disc(a, 0.5 ORDER BY a), percentile_cont(0.5) WITHIN GROUP (ORDER BY a), mode(a), arg_max(a, b), count(DISTINCT a), median(a), first(a), any_value(a) FROM t
SELECT * FROM a LEFT JOIN b ON a.x = b.x RIGHT JOIN c USING (y) FULL OUTER JOIN d ON true CROSS JOIN e
SELECT * FROM a NATURAL JOIN b
SELECT * FROM a SEMI JOIN b USING (x) ANTI JOIN c ON a.x = c.x
SELECT * FROM a ASOF JOIN b ON a.t >= b.t
SELECT * FROM a POSITIONAL JOIN b
SELECT * FROM a, LATERAL (SELECT a.x + 1) l
SELECT unnest(l), unnest({'a': 1}, recursive := true) FROM t, unnest(t.l) AS u(v)
SELECT * FROM t TABLESAMPLE 10%
SELECT * FROM t USING SAMPLE reservoir(50 ROWS) REPEATABLE (42)
SELECT a FROM t LIMIT 10%
SELECT DISTINCT a, b FROM t LIMIT ALL
FROM t PIVOT (sum(a) FOR b IN (1, 2) GROUP BY c)
FROM t UNPIVOT (v FOR n IN (a, b))
SELECT "Mixed Case", "a""b", "select", "default"."t"."x" FROM "default"."t" AS "T 1" WHERE "T 1"."Mixed Case" = 1
SELECT a FROM t ORDER BY a COLLATE "en_US"
SELECT try(a / 0), CAST(a AS BIGINT), a.b.c.d FROM t
SELECT * FROM json_each('[1]'), generate_series(1, 3) g(i)
SELECT (SELECT count(*) FROM (SELECT DISTINCT x FROM t) s) + 1 AS n
SELECT 1 -- comment
SELECT /* comment */ 1;
SELECT count() FROM t
SELECT '2026-01-01'::TIMESTAMP + INTERVAL '3 days 4 hours', to_timestamp(0), epoch_ms(0), make_date(2026, 1, 1)
SELECT max(a) FROM t WHERE a IN (SELECT b FROM u GROUP BY b HAVING count(*) > (SELECT avg(n) FROM v))
SELECT 1.5e0, 1e10, 3e0, -1e5, 1e-7, sum(a) * 0.5e0 AS x FROM t LIMIT 1e1
