"""DuckDB as a peer: NDJSON of page views to Parquet, or count and sums of Parquet files. Prints one line of JSON.

usage: duckdb_peer.py write IN.ndjson OUT.parquet THREADS
       duckdb_peer.py count|sums 'GLOB.parquet'
"""

import json
import sys
import time

import duckdb

COLUMNS = """{ts: 'TIMESTAMP', event_id: 'VARCHAR',
  page: 'STRUCT(url VARCHAR, section VARCHAR)',
  visitor: 'STRUCT(id VARCHAR, country VARCHAR, lang VARCHAR)',
  device: 'STRUCT("type" VARCHAR, os VARCHAR, browser VARCHAR)',
  referrer: 'STRUCT("domain" VARCHAR)',
  latency_ms: 'BIGINT', bytes: 'BIGINT', is_bounce: 'BOOLEAN'}"""

SELECT = """SELECT ts, event_id, page.url AS page_url, page.section AS section, visitor.id AS visitor_id,
  visitor.country AS country, visitor.lang AS lang, device.type AS device_type, device.os AS os,
  device.browser AS browser, referrer.domain AS referrer, latency_ms, bytes, is_bounce"""


def write(source, target, threads):
    con = duckdb.connect()
    con.execute(f"SET threads = {int(threads)}")
    begin = time.perf_counter()
    con.execute(
        f"COPY ({SELECT} FROM read_json('{source}', format = 'newline_delimited', columns = {COLUMNS})) "
        f"TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )
    seconds = time.perf_counter() - begin
    events = con.execute(f"SELECT count(*) FROM '{target}'").fetchone()[0]
    return {"events": events, "seconds": seconds}


def count(glob):
    return {"events": duckdb.execute(f"SELECT count(*) FROM read_parquet('{glob}')").fetchone()[0]}


def sums(glob):
    row = duckdb.execute(
        "SELECT count(*), sum(bytes), sum(latency_ms), count(*) FILTER (is_bounce), count(DISTINCT event_id), "
        f"epoch_us(min(ts)), epoch_us(max(ts)) FROM read_parquet('{glob}', union_by_name = true)"
    ).fetchone()
    names = ["events", "sum_bytes", "sum_latency_ms", "bounces", "distinct_ids", "min_time_us", "max_time_us"]
    by_country = duckdb.execute(
        f"SELECT country, count(*) FROM read_parquet('{glob}', union_by_name = true) GROUP BY country"
    ).fetchall()
    return dict(zip(names, map(int, row))) | {"by_country": dict(by_country)}


if __name__ == "__main__":
    commands = {"write": write, "count": count, "sums": sums}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
