"""DuckDB as a peer of cube builds: the grouping sets of a cube over staged Parquet files. Prints one line of JSON.

usage: duckdb_cube.py 'GLOB.parquet' THREADS MEASURES SETS

MEASURES is plain or hll. SETS are the cuboids: dimensions with commas between, sets with semicolons.
"""

import json
import sys
import time

import duckdb

MEASURES = {
    "plain": "count(*) AS n, sum(bytes) AS b, max(latency_ms) AS l",
    "hll": "count(*) AS n, sum(bytes) AS b, approx_count_distinct(visitor_id) AS v",
}


def main(glob, threads, measures, sets):
    con = duckdb.connect()
    con.execute(f"SET threads = {int(threads)}")
    con.execute("SET preserve_insertion_order = false")
    sets = [s.split(",") for s in sets.split(";")]
    dims = sorted({d for s in sets for d in s})
    columns = ", ".join("date_trunc('minute', ts) AS ts_minute" if d == "ts_minute" else d for d in dims)
    grouping = ", ".join("(" + ", ".join(s) + ")" for s in sets)
    begin = time.perf_counter()
    con.execute(
        f"CREATE TABLE cells AS SELECT {', '.join(dims)}, {MEASURES[measures]} "
        f"FROM (SELECT {columns}, bytes, latency_ms, visitor_id FROM read_parquet('{glob}')) GROUP BY GROUPING SETS ({grouping})"
    )
    seconds = time.perf_counter() - begin
    cells, total = con.execute("SELECT count(*), sum(n) FROM cells").fetchone()
    return {"events": int(total) // len(sets), "cells": cells, "seconds": seconds}


print(json.dumps(main(*sys.argv[1:5])))
