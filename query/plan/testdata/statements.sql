-- Groups and aggregates.
SELECT country, count(*) FROM views GROUP BY country
SELECT COUNTRY, "Country", views.country, count(*) FROM views GROUP BY country
SELECT country AS c, sum(bytes) s, avg(bytes), min(bytes), max(latency), sum(price), avg(price), sum(latency) FROM views GROUP BY c ORDER BY s DESC NULLS FIRST, c /*ordered*/
SELECT count(*), sum(bytes), min(ts), max(country), avg(latency) FROM views WHERE false
SELECT count(*), count(1), count(bytes), count(DISTINCT country), count(DISTINCT bytes), count('x'), count(NULL) FROM views
SELECT country, lang, count(*) FROM views GROUP BY 1, 2 HAVING count(*) > 5 AND lang IS NOT NULL ORDER BY ALL /*ordered*/
SELECT country, lang, count(*) AS n FROM views GROUP BY ALL HAVING n > 5 ORDER BY n DESC, country, lang LIMIT 3 OFFSET 1 /*ordered*/
SELECT country, count(*) AS country FROM views GROUP BY country ORDER BY country
SELECT lang AS country, count(*) FROM views GROUP BY lang ORDER BY country /*ordered*/
SELECT size, SUM(Size) FROM VIEWS WHERE SIZE > 7 GROUP BY Size
SELECT v.country, count(*) FROM views AS v WHERE v.lang = 'de' GROUP BY v.country
SELECT views.country FROM "default".views GROUP BY views.country
SELECT country, count(*) FROM views WHERE country = 'de' OR lang <> 'en' GROUP BY country
SELECT country, count(*) FROM views WHERE NOT (country = 'de' OR lang = 'en') GROUP BY country
SELECT country, count(*) FROM views WHERE country NOT IN ('de', 'fr') GROUP BY country
SELECT country, count(*) FROM views WHERE country IN ('de', NULL) GROUP BY country
SELECT count(*) FROM views WHERE country NOT IN ('de', NULL)
SELECT count(*) FROM views WHERE country LIKE 'd%' OR country NOT LIKE 'f%'
SELECT count(*) FROM views WHERE country ILIKE 'd%' AND lang LIKE '%e%'
SELECT count(*) FROM views WHERE starts_with(country, 'd')
SELECT count(*) FROM views WHERE country || lang = 'dede'
SELECT count(*) FROM views WHERE country = lang
SELECT count(*) FROM views WHERE bounce
SELECT count(*) FROM views WHERE NOT bounce
SELECT count(*) FROM views WHERE bounce IS NULL AND country IS NOT NULL
SELECT count(*) FROM views WHERE bytes = '2' OR bytes = 10.0 OR latency = 1.5 OR price = 2.5 OR price = 1
SELECT count(*) FROM views WHERE bytes BETWEEN -5 AND 2 AND price >= -1
SELECT count(*) FROM views WHERE day = '2026-03-01' OR day = DATE '2025-12-31' OR day > TIMESTAMP '2026-03-01 12:00:00'
SELECT count(*) FROM views WHERE day IN ('2026-03-01', '2026-03-02') AND day < '2026-03-02'
SELECT count(*) FROM views WHERE sent >= '2026-03-01 11:00:00'
SELECT count(*) FROM views WHERE 1 = 1 AND true AND country = 'de'
SELECT count(*) FROM views WHERE 1 = 0 OR false
SELECT count(*) FROM views WHERE NULL
SELECT country IS DISTINCT FROM 'de' AS x, count(*) FROM views GROUP BY 1
SELECT coalesce(country, lang, '?') AS x, count(*) FROM views GROUP BY 1
SELECT CASE WHEN country = 'de' THEN 'home' ELSE 'abroad' END AS place, count(*), sum(bytes) FROM views GROUP BY place
SELECT upper(country) u, count(*) FROM views GROUP BY u ORDER BY u NULLS FIRST /*ordered*/
SELECT count(*) * 2 + 1, sum(bytes) / count(*), round(avg(latency), 2) FROM views
SELECT country, 100.0 * count(*) / (SELECT count(*) FROM views) AS share FROM views GROUP BY country
SELECT country, count(*) FROM views GROUP BY country HAVING count(*) > (SELECT avg(n) FROM (SELECT count(*) AS n FROM views GROUP BY country))
SELECT sum(bytes), count(*) FROM views GROUP BY ()
SELECT upper(country), upper(country) || '!', count(*) FROM views GROUP BY upper(country)
SELECT country, 'x' AS k, 1 + 1, count(*) FROM views GROUP BY ALL
SELECT max(country), min(lang), any_value(lang) IS NULL, max(day), min(sent), max(bounce) FROM views GROUP BY lang
-- Time.
SELECT date_trunc('hour', ts) h, count(*) FROM views WHERE ts >= '2026-03-01' AND ts < '2026-03-02' GROUP BY h ORDER BY h /*ordered*/
SELECT count(*) FROM views WHERE ts BETWEEN '2026-03-01 00:00:00' AND '2026-03-01 23:59:59.999999'
SELECT count(*) FROM views WHERE ts >= TIMESTAMP '2026-03-01 10:15:00' AND ts <= TIMESTAMPTZ '2026-03-05 11:00:00+01'
SELECT count(*) FROM views WHERE '2026-03-01' < ts AND DATE '2026-03-04' >= ts
SELECT count(*) FROM views WHERE ts::date = '2026-03-01'
SELECT count(*) FROM views WHERE CAST(ts AS DATE) BETWEEN DATE '2026-03-01' AND DATE '2026-03-03'
SELECT count(*) FROM views WHERE ts::date IN ('2026-03-01', DATE '2026-03-03')
SELECT count(*) FROM views WHERE ts::date <> '2026-03-01' AND ts::date NOT IN ('2026-03-05')
SELECT count(*) FROM views WHERE date_trunc('month', ts) = '2026-03-01' AND NOT (date_trunc('day', ts) > '2026-03-10')
SELECT count(*) FROM views WHERE date_trunc('hour', ts) = '2026-03-01 10:30:00' OR date_trunc('hour', ts) <> '2026-03-01 10:30:00'
SELECT count(*) FROM views WHERE year(ts) = 2026 AND month(ts) = 3 AND hour(ts) >= 12
SELECT count(*) FROM views WHERE extract(year FROM ts) < 2026 OR extract(dow FROM ts) IN (0, 6)
SELECT ts::date AS d, hour(ts) AS h, count(*) FROM views GROUP BY d, h
SELECT time_bucket(INTERVAL '6 hours', ts) b, count(*) FROM views GROUP BY b
SELECT time_bucket(INTERVAL '1 week', ts) b, time_bucket(INTERVAL 1 MONTH, ts) m, count(*) FROM views GROUP BY b, m
SELECT strftime(ts, '%Y-%m-%d') d, dayname(ts), monthname(ts), count(*) FROM views GROUP BY ALL
SELECT year(ts), quarter(ts), week(ts), dayofyear(ts), count(*) FROM views GROUP BY ALL
SELECT date_trunc('day', ts) + INTERVAL 1 DAY AS next, count(*) FROM views GROUP BY next
SELECT ts::date - 1 AS d, count(*) FROM views WHERE ts > DATE '2026-03-01' + INTERVAL 36 HOUR AND ts < DATE '2026-03-09' - 1 GROUP BY d
SELECT date_trunc('day', ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin') d, count(*) FROM views GROUP BY d
SELECT count(*) FILTER (WHERE ts >= '2026-03-08') AS now, count(*) FILTER (WHERE ts < '2026-03-08' AND ts >= '2026-03-01') AS before FROM views
SELECT CASE WHEN ts < '2026-03-05 10:10:00' THEN 'old' ELSE 'new' END AS age, count(*) FROM views GROUP BY age
SELECT count(*) FROM views WHERE ts > now() - INTERVAL 7 DAY
SELECT current_date AS d, count(*) FROM views WHERE ts < current_date
SELECT min(ts), max(ts), max(ts) - min(ts) FROM views
SELECT day_start, month_start, count(*) FROM views_cube WHERE hour_start >= '2026-03-01' GROUP BY ALL
SELECT ts_day, city, sum(bytes) FROM views_cube WHERE ts_day >= '2026-03-01' AND city <> 'Oslo' GROUP BY ts_day, city
SELECT date_trunc('month', ts_day) m, count(*) FROM views_cube GROUP BY m
-- FILTER, CASE, DISTINCT.
SELECT country, count(*) FILTER (WHERE lang = 'de'), sum(bytes) FILTER (lang IS NULL), count(DISTINCT bytes) FILTER (WHERE bytes > 1) FROM views GROUP BY country
SELECT count(CASE WHEN lang = 'de' THEN 1 END), sum(CASE WHEN lang = 'de' THEN 1 ELSE 0 END), sum(CASE WHEN lang = 'de' THEN bytes ELSE 0 END), sum(CASE WHEN lang = 'de' THEN bytes END) FROM views
SELECT country, sum(CASE WHEN lang = 'de' THEN latency ELSE 0 END), sum(CASE WHEN lang = 'xx' THEN price ELSE 0 END), sum(CASE WHEN bytes IS NULL THEN bytes ELSE 0 END), avg(CASE WHEN lang = 'de' THEN bytes END) FROM views GROUP BY country
SELECT sum(CASE WHEN lang = 'de' THEN 1 ELSE 0 END), sum(CASE WHEN lang = 'de' THEN bytes ELSE 0 END) FROM views WHERE false
SELECT count_if(lang = 'de'), country FROM views GROUP BY country
SELECT sum(CASE WHEN lang = 'de' THEN 1 ELSE 0 END) FILTER (WHERE country = 'fr') FROM views
SELECT DISTINCT country FROM views
SELECT DISTINCT country, upper(lang) AS l FROM views WHERE bounce ORDER BY l, country /*ordered*/
SELECT DISTINCT country FROM views GROUP BY country, lang
SELECT DISTINCT count(*) OVER () FROM views
SELECT DISTINCT ON (country) country, lang, count(*) FROM views GROUP BY ALL ORDER BY country, lang
SELECT count(DISTINCT (country, lang)), count(DISTINCT upper(country)) FROM views
SELECT median(bytes), quantile_cont(latency, 0.9), quantile_disc(bytes, 0.5), percentile_cont(0.5) WITHIN GROUP (ORDER BY latency) FROM views
SELECT country, mode(lang), string_agg(lang, ',' ORDER BY lang) FROM views GROUP BY country
SELECT country, max(length(lang)), sum(bytes + 1), min(bytes * 2) FROM views GROUP BY country
-- Grouping sets.
SELECT country, lang, count(*), grouping(country), grouping(lang, country), grouping_id(country, lang) FROM views GROUP BY CUBE (country, lang)
SELECT country, lang, sum(bytes) FROM views GROUP BY ROLLUP (country, lang) HAVING grouping(lang) = 0
SELECT country, lang, count(*) FROM views WHERE false GROUP BY GROUPING SETS ((country), (lang), ())
SELECT country, lang, count(*) FROM views GROUP BY GROUPING SETS ((country), (country), (lang))
SELECT country, count(*) FROM views GROUP BY GROUPING SETS ((country))
SELECT ts::date AS d, country, count(*) FROM views GROUP BY d, ROLLUP (country)
-- What stands around blocks.
WITH t AS (SELECT country, count(*) AS n FROM views GROUP BY country) SELECT max(n), min(country) FROM t
WITH views AS (SELECT country FROM views WHERE lang = 'de') SELECT country, count(*) FROM views GROUP BY country
WITH a AS (SELECT country, count(*) AS n FROM views GROUP BY 1), b AS (SELECT country, sum(bytes) AS s FROM views GROUP BY 1) SELECT a.country, n, s FROM a JOIN b ON a.country = b.country
SELECT country, count(*) FROM views GROUP BY 1 UNION ALL SELECT lang, sum(bytes) FROM views GROUP BY 1
SELECT country FROM views GROUP BY 1 EXCEPT SELECT lang FROM views GROUP BY 1
SELECT country FROM views INTERSECT SELECT lang FROM views ORDER BY 1
SELECT s.city, x.n FROM (SELECT shop_id, count(*) AS n FROM views GROUP BY shop_id) x LEFT JOIN shops s ON s.id = x.shop_id
SELECT s.city, count(*) FROM views v JOIN shops s ON v.shop_id = s.id WHERE v.lang = 'de' AND ts >= '2026-03-01' GROUP BY s.city
SELECT s.city, count(*) FROM views v LEFT JOIN shops s ON v.shop_id = s.id AND s.city = 'Kiel' WHERE s.city IS NULL GROUP BY s.city
SELECT s.city, count(v.bytes) FROM shops s LEFT JOIN views v ON v.shop_id = s.id AND v.lang = 'de' GROUP BY s.city
SELECT s.city, count(*) FROM shops s LEFT JOIN views v ON v.shop_id = s.id WHERE v.country IS NULL GROUP BY s.city
SELECT country, n, rank() OVER (ORDER BY n DESC) FROM (SELECT country, count(*) AS n FROM views GROUP BY country)
SELECT country, count(*), sum(count(*)) OVER (ORDER BY country), 1.0 * count(*) / sum(count(*)) OVER () FROM views GROUP BY country
SELECT country, lang, count(*) AS n FROM views GROUP BY country, lang QUALIFY row_number() OVER (PARTITION BY country ORDER BY n DESC, lang) = 1
SELECT (SELECT count(*) FROM views), (SELECT max(bytes) FROM views WHERE lang = 'de')
SELECT id, (SELECT count(*) FROM views WHERE shop_id = id) FROM shops
SELECT id, (SELECT sum(bytes) FROM views v WHERE v.shop_id = shops.id) FROM shops
SELECT id FROM shops WHERE id IN (SELECT shop_id FROM views GROUP BY shop_id HAVING count(*) > 50)
SELECT country, count(*) FROM views WHERE shop_id IN (SELECT id FROM shops WHERE city = 'Kiel') GROUP BY country
SELECT country, count(*) FROM views v WHERE EXISTS (SELECT 1 FROM shops s WHERE s.id = v.shop_id) GROUP BY country
SELECT country, (SELECT count(*) FROM shops WHERE city > country) FROM views GROUP BY country
SELECT id, x.n FROM shops, LATERAL (SELECT count(*) AS n FROM views WHERE shop_id = id) x
SELECT a.country, b.lang FROM (SELECT DISTINCT country FROM views) a, (SELECT DISTINCT lang FROM views) b
SELECT "count_star()", "sum(bytes)" FROM (SELECT count(*), sum(bytes) FROM views)
SELECT x FROM (SELECT sum(bytes) FROM views) t(x)
SELECT g0, a0 FROM (SELECT country AS g0, count(*) AS a0 FROM views GROUP BY country) ORDER BY g0, a0 /*ordered*/
SELECT country AS a0, count(*) AS g0, count(*) AS s FROM views GROUP BY country HAVING g0 > 1 ORDER BY s, a0 /*ordered*/
SELECT country AS lang, lang AS country, count(*) FROM views GROUP BY ALL ORDER BY country, lang /*ordered*/
SELECT count(*) AS n, n + 1 AS m, m * 2 FROM views
SELECT country c, c || '!' AS d, count(*) FROM views GROUP BY c
SELECT country FROM views GROUP BY country ORDER BY count(*) DESC, country LIMIT 2 /*ordered*/
SELECT country, count(*) FROM views GROUP BY country ORDER BY 2 DESC, 1 LIMIT (SELECT 2) /*ordered*/
SELECT country, -count(*) AS n FROM views GROUP BY country ORDER BY n, country /*ordered*/
SELECT country, sum(bytes) s FROM views GROUP BY country ORDER BY coalesce(s, 0) + 1, country /*ordered*/
FROM views SELECT country, count(*) GROUP BY country
PIVOT (SELECT country, lang, bytes FROM views) ON lang IN ('de', 'en') USING sum(bytes) GROUP BY country
-- Rows.
SELECT * FROM views WHERE ts >= '2026-03-10' AND country = 'de'
SELECT country, lang FROM views WHERE bytes > 2 AND length(country) = 2 AND NOT (lang = 'de') ORDER BY ALL
SELECT v.country, w.lang FROM views v JOIN views w ON v._offset = w._offset WHERE v.bytes = 10 AND w.bounce
SELECT count(*) FROM views v, shops s WHERE v.shop_id = s.id AND (s.city = 'Kiel' OR v.lang = 'de')
SELECT _offset, country FROM views WHERE _offset < 10 ORDER BY _offset /*ordered*/
SELECT country, row_number() OVER (PARTITION BY country ORDER BY _offset) FROM views
SELECT CASE WHEN views.bounce THEN 1 END AS b FROM views
SELECT lang FROM views v WHERE v.bytes = (SELECT max(bytes) FROM views w WHERE w.lang = v.lang)
VALUES (1, 'a'), (2, 'b')
SELECT 1 AS one, now() IS NOT NULL AS x
SELECT ts_day, count(*) FROM views_berlin WHERE ts_day >= '2026-02-28 23:00:00' GROUP BY ts_day
SELECT date_trunc('day', ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin') d, sum(bytes) FROM views_berlin WHERE ts >= '2026-03-05 23:00:00' GROUP BY d
SELECT date_trunc('week', ts) w, ts_week, count(*) FROM views_berlin WHERE ts > '2026-03-05 10:10:00' AND ts <= '2026-03-05 18:20:30' GROUP BY ALL
SELECT CASE WHEN ts < '2026-03-05 10:10:00' THEN date_trunc('hour', ts) END AS age, count(*) FILTER (WHERE ts < '2026-03-05 10:15:00'), sum(bytes) FROM views GROUP BY age
SELECT c, count(*) FROM (SELECT upper(country) AS c, lang FROM views WHERE ts >= '2026-03-01') x WHERE lang = 'de' GROUP BY c
SELECT country, count(*), sum(bytes) FROM (SELECT * FROM views) AS virtual_table WHERE ts < '2026-03-08' GROUP BY country ORDER BY 2 DESC, 1 LIMIT 1000 /*ordered*/
WITH a AS (SELECT country c, * FROM views WHERE bounce), b AS (SELECT c, lang l FROM a WHERE lang IS NOT NULL) SELECT c, l, count(*) FROM b GROUP BY ALL
WITH a(x, y) AS (SELECT country, bytes FROM views) SELECT x, sum(y) FROM a GROUP BY x UNION ALL SELECT x, min(y) FROM a AS b(x) GROUP BY 1
WITH a AS (SELECT country FROM views), b AS (SELECT 1) SELECT country, count(*) FROM a GROUP BY 1
WITH a AS (SELECT country, lang FROM views) SELECT (SELECT count(*) FROM a), x.country FROM (SELECT country FROM a GROUP BY 1) x JOIN a USING (country) GROUP BY ALL
SELECT t.country, count(*) FROM (SELECT country, bytes + 1 AS b FROM views ORDER BY bytes) t WHERE b > 2 GROUP BY t.country
SELECT country, count(*) FROM (SELECT country FROM views LIMIT 1000) GROUP BY country
SELECT x.dd, sum(x.n) FROM (SELECT ts::date AS dd, count(*) AS n FROM (FROM views) GROUP BY dd) x GROUP BY x.dd
-- Joins of one table of events with others, and conditions that only DuckDB decides.
SELECT s.city, count(*), sum(v.bytes), avg(v.bytes), min(v.latency), max(v.bytes), count(v.lang), count(DISTINCT v.lang) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY s.city
SELECT s.city, date_trunc('day', v.ts) AS d, sum(price), avg(price), avg(latency) FROM views v LEFT JOIN shops s ON v.shop_id = s.id WHERE v.ts >= '2026-03-01' AND (s.city IS NULL OR v.country = 'de') GROUP BY ALL ORDER BY ALL /*ordered*/
SELECT s.city, count(*) FILTER (WHERE v.lang = s.city OR lang = 'de'), sum(bytes) FILTER (WHERE city = 'Kiel'), count(s.city), count(1) FROM views v JOIN shops s ON v.shop_id >= s.id GROUP BY 1 HAVING count(*) > 3 ORDER BY count(*) DESC, 1 /*ordered*/
SELECT count(*), sum(bytes), avg(bytes), count(bytes) FROM views v JOIN shops s ON v.shop_id = s.id WHERE s.city = 'nowhere'
SELECT count(*), max(city) FROM views, shops
SELECT city, count(*) FROM views, shops WHERE false GROUP BY city
SELECT city, count(*) FROM views v, shops WHERE v.lang = 'xx' GROUP BY city
SELECT DISTINCT s.city, upper(v.country) FROM views v JOIN shops s ON v.shop_id = s.id
SELECT x.k, count(*), count(x.k) FROM views v JOIN (VALUES ('de', 1), ('fr', 2), ('fr', 3)) x(k, n) ON x.k = v.country GROUP BY x.k
SELECT country, count(*) FROM views SEMI JOIN shops ON shop_id = id AND city > country GROUP BY country
SELECT country, count(*) FROM views ANTI JOIN shops ON shop_id = id GROUP BY country
SELECT s.city, count(v.shop_id) FROM shops s RIGHT JOIN views v ON v.shop_id = s.id GROUP BY s.city
SELECT s.city, count(v.shop_id), count(*) FROM shops s LEFT JOIN views v ON v.shop_id = s.id GROUP BY s.city
SELECT country, count(*) FROM views WHERE shop_id IN (SELECT id FROM shops WHERE city IS NOT NULL) AND lang = 'de' GROUP BY country
SELECT country, count(*) FROM views WHERE shop_id NOT IN (SELECT id FROM shops WHERE city = 'Kiel') GROUP BY country ORDER BY 2 DESC, country LIMIT 2 /*ordered*/
SELECT count(*), sum(bytes) FROM views WHERE shop_id = (SELECT max(id) FROM shops) OR country = (SELECT min(country) FROM views)
SELECT sum(count(*)) OVER (), s.city, count(*) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY s.city
SELECT s.city, v.country, count(*), grouping(s.city) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY ROLLUP (s.city, v.country)
SELECT s.city, median(v.bytes), string_agg(v.lang, ',' ORDER BY v.lang) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY s.city
SELECT s.id, sum(s.id), avg(s.id) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY s.id
SELECT a.city, b.city, count(*) FROM views v JOIN shops a ON v.shop_id = a.id JOIN shops b ON v.bytes = b.id WHERE v.ts < '2026-03-10 10:10:10' GROUP BY a.city, b.city
WITH k AS (SELECT id FROM shops WHERE city = 'Kiel') SELECT v.country, count(*) AS n FROM views v JOIN k ON k.id = v.shop_id GROUP BY v.country QUALIFY rank() OVER (ORDER BY n DESC) < 3
SELECT v.country, (SELECT count(*) FROM shops) AS n, count(*) FROM views v JOIN shops s ON s.id = v.shop_id GROUP BY v.country
SELECT s.city, sum(v.bytes + s.id) FROM views v JOIN shops s ON s.id = v.shop_id GROUP BY s.city
SELECT v.country, count(*) FROM views v WHERE EXISTS (SELECT 1 FROM shops s WHERE s.id = v.shop_id AND s.city = 'Oslo') GROUP BY v.country
SELECT v.country AS a0, s.city AS g0, count(*) AS v FROM views v JOIN shops s ON s.id = v.shop_id GROUP BY a0, g0 ORDER BY a0, g0 /*ordered*/
SELECT bool_or(v.bounce), any_value(s.id), s.id FROM views v JOIN shops s ON s.id = v.shop_id GROUP BY s.id
SELECT country, country_1, COUNTRY_2, count(*) FROM (SELECT upper(country) AS country, lower(lang) AS COUNTRY, * FROM views) GROUP BY ALL
SELECT count(*), x.id FROM views v, LATERAL (SELECT id FROM shops s WHERE s.id = v.shop_id) x GROUP BY x.id
SELECT u, count(*), sum(bytes) FROM views v, unnest([v.country, v.lang]) t(u) GROUP BY u
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n, (SELECT count(*) FROM views WHERE shop_id = n) FROM r
WITH RECURSIVE r AS (SELECT 1 AS n, count(*) AS c FROM views UNION ALL SELECT n + 1, c + (SELECT count(*) FROM views) FROM r WHERE n < 3) SELECT * FROM r
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT country, count(*) FROM views JOIN r ON shop_id = n GROUP BY country
SELECT avg(ts) IS NULL AS a, avg(bytes + 1), sum(bounce) FROM views
SELECT count(*) FROM views WHERE bytes
SELECT count(*) FILTER (WHERE bytes), count_if(bytes > 1) FROM views WHERE CASE WHEN bounce THEN Size ELSE 0 END
SELECT count(*) FROM views WHERE bytes IN (10, NULL, 2, 1, 1) OR NOT (country IN ('z', 'de', NULL))
SELECT bytes + bytes AS a, a + a AS b, b + b AS c, c + c AS d, count(*) FROM views GROUP BY ALL
SELECT count(*) FROM views WHERE ts::date IN ('2026-03-01', '2026-03-03') OR ts::date = '2026-03-05' OR ts < '2026-02-27' AND ts > '2026-02-26 10:00:00'
SELECT country || '-' || lang AS k, count(*), sum(bytes), max(bytes) FILTER (WHERE country = lang), count(Size), sum(Size), avg(Size), count(DISTINCT Size) FROM views GROUP BY k
SELECT k, count(*) FROM (SELECT country || lang AS k, bounce FROM views WHERE ts >= '2026-03-02') WHERE bounce GROUP BY k
SELECT k, sum(CASE WHEN lang = 'de' THEN bytes ELSE 0 END) FROM (SELECT country || lang AS k, bytes, country AS lang FROM views) x GROUP BY k
SELECT s.city, sum(CASE WHEN v.lang = 'de' THEN 1 ELSE 0 END), sum(CASE WHEN s.city = 'Kiel' THEN bytes ELSE 0 END), count(CASE WHEN bounce THEN lang END), avg(CASE WHEN lang = 'de' THEN bytes END) FROM views v JOIN shops s ON v.shop_id = s.id GROUP BY s.city
SELECT lang, max(country), min(country), any_value(lang), sum(Size), avg(Size), max(Size) FILTER (WHERE bounce), count(country), sum(bounce) FROM views GROUP BY lang
SELECT max(day_start), count(DISTINCT ts_day), count(city), max(city) FROM views_cube
