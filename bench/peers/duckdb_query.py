"""DuckDB as a peer of queries. Prints one line of JSON: how long each statement took, in ms, each time.

usage: duckdb_query.py 'GLOB.parquet' KIND CLIENTS SECONDS '["SELECT ...", ...]'

KIND is raw (a view pageviews over the files) or rollup (tables made of the files first). DuckDB keeps no sketches in
tables, so that those of visitors are the numbers themselves, of exactly the rows that are asked for.
"""

import json
import sys
import threading
import time

import duckdb

ROLLUPS = """
CREATE TABLE by_hour AS SELECT date_trunc('hour', ts) AS h, country, device_type, browser, count(*) AS n, sum(bytes) AS b, sum(latency_ms) AS l
    FROM pageviews GROUP BY ALL ORDER BY ALL;
CREATE TABLE by_minute AS SELECT date_trunc('minute', ts) AS m, section, count(*) AS n, sum(bytes) AS b FROM pageviews GROUP BY ALL ORDER BY ALL;
CREATE TABLE by_page AS SELECT section, page_url, count(*) AS n FROM pageviews GROUP BY ALL ORDER BY ALL;
CREATE TABLE visitors_by_hour AS SELECT date_trunc('hour', ts) AS h, approx_count_distinct(visitor_id) AS v FROM pageviews GROUP BY ALL ORDER BY ALL;
CREATE TABLE visitors_by_country AS SELECT country, approx_count_distinct(visitor_id) AS v FROM pageviews GROUP BY ALL ORDER BY ALL;
"""


def main(glob, kind, clients, seconds, statements):
    con = duckdb.connect()
    # Times without a zone: DuckDB truncates them faster, and Python needs no package to show them.
    con.execute(f"CREATE VIEW pageviews AS SELECT * REPLACE (make_timestamp(epoch_us(ts)) AS ts) FROM read_parquet('{glob}')")
    if kind == "rollup":
        con.execute(ROLLUPS)
    statements = json.loads(statements)
    for s in statements:
        con.execute(s).fetchall()
    took = [[] for _ in statements]
    lock = threading.Lock()
    begin = time.perf_counter()
    end = begin + float(seconds)

    def client(i):
        cursor = con.cursor()
        while time.perf_counter() < end:
            at = time.perf_counter()
            cursor.execute(statements[i % len(statements)]).fetchall()
            ms = 1000 * (time.perf_counter() - at)
            with lock:
                took[i % len(statements)].append(ms)
            i += 1

    threads = [threading.Thread(target=client, args=(i,)) for i in range(int(clients))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(json.dumps({"Seconds": time.perf_counter() - begin, "Took": took}))


main(*sys.argv[1:])
