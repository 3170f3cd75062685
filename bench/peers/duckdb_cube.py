"""DuckDB as a peer of cube builds: the grouping sets of a cube over staged Parquet files. Prints one line of JSON.

usage: duckdb_cube.py 'GLOB.parquet' THREADS MEASURES PLAN SETS

MEASURES is plain or hll. SETS are the cuboids: dimensions with commas between, sets with semicolons. PLAN is sets (one statement with
GROUPING SETS over the files), each (the files into a table, then a statement for each set) or enums (each, over enums instead of strings).
"""

import json
import sys
import tempfile
import time

import duckdb

MEASURES = {
    "plain": "count(*) AS n, sum(bytes) AS b, max(latency_ms) AS l",
    "hll": "count(*) AS n, sum(bytes) AS b, approx_count_distinct(visitor_id) AS v",
}
INPUTS = {"plain": "bytes, latency_ms", "hll": "bytes, visitor_id"}
NO_STRINGS = {"ts_minute", "is_bounce"}


def columns(dims, enums):
    for d in dims:
        if d == "ts_minute":
            yield "date_trunc('minute', ts) AS ts_minute"
        else:
            yield f"{d}::enum_{d} AS {d}" if enums and d not in NO_STRINGS else d


def build(con, glob, measures, plan, sets, dims):
    """Makes the cells and returns the names of their tables."""
    files = f"read_parquet('{glob}')"
    if plan == "enums":
        for d in dims:
            if d not in NO_STRINGS:
                con.execute(f"CREATE TYPE enum_{d} AS ENUM (SELECT DISTINCT {d} FROM {files})")
    events = f"SELECT {', '.join(columns(dims, plan == 'enums'))}, {INPUTS[measures]} FROM {files}"
    if plan == "sets":
        grouping = ", ".join("(" + ", ".join(s) + ")" for s in sets)
        con.execute(f"CREATE TABLE cells AS SELECT {', '.join(dims)}, {MEASURES[measures]} FROM ({events}) GROUP BY GROUPING SETS ({grouping})")
        return ["cells"]
    con.execute(f"CREATE TEMP TABLE events AS {events}")
    for i, s in enumerate(sets):
        con.execute(f"CREATE TABLE cells{i} AS SELECT {', '.join(s)}, {MEASURES[measures]} FROM events GROUP BY {', '.join(s)}")
    return [f"cells{i}" for i in range(len(sets))]


def main(spill, glob, threads, measures, plan, sets):
    con = duckdb.connect()
    con.execute(f"SET threads = {int(threads)}")
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"SET temp_directory = '{spill}'")
    sets = [s.split(",") for s in sets.split(";")]
    dims = sorted({d for s in sets for d in s})
    begin = time.perf_counter()
    tables = build(con, glob, measures, plan, sets, dims)
    seconds = time.perf_counter() - begin
    cells, total = 0, 0
    for t in tables:
        rows, n = con.execute(f"SELECT count(*), sum(n) FROM {t}").fetchone()
        cells, total = cells + rows, total + int(n)
    return {"events": total // len(sets), "cells": cells, "seconds": seconds}


with tempfile.TemporaryDirectory() as spill:
    print(json.dumps(main(spill, *sys.argv[1:6])))
