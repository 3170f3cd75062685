# What people do with kylinpy and its SQLAlchemy dialect: kylin.py HOST:PORT. Ends with "ok", or with an exception.
import datetime
import sys

import kylinpy
import sqlalchemy
from sqlalchemy import func, select
from kylinpy.exceptions import KylinQueryError

where = "kylin://ADMIN:KYLIN@" + sys.argv[1] + "/default"


def want(what, got, expected):
    if got != expected:
        raise AssertionError("%s: got %r, want %r" % (what, got, expected))


k = kylinpy.create_kylin(where)
want("projects", [p["name"] for p in k.projects()] if hasattr(k, "projects") else ["default"], ["default"])
want("schemas", k.get_all_schemas(), ["DEFAULT"])
tables = k.get_all_tables("DEFAULT")
if "PAGEVIEWS" not in tables:
    raise AssertionError("tables: %r" % tables)
columns = {c.name: c.datatype for c in k.get_table_source("PAGEVIEWS", "DEFAULT").columns}
want("type of COUNTRY", columns["COUNTRY"], "VARCHAR(256)")
want("type of TS", columns["TS"], "TIMESTAMP(0)")

metas, rows = (lambda a: (a["columnMetas"], a["results"]))(k.query("select 1 as one, 'x' s, count(*) from pageviews"))
want("labels", [m["label"] for m in metas], ["ONE", "S", "EXPR$2"])
want("row", rows[0][:2], ["1", "x"])
try:
    k.query("select wrong from pageviews")
    raise AssertionError("a wrong column is no error")
except KylinQueryError as e:
    if "wrong" not in str(e) or "line 1, column 8" not in str(e):
        raise
want("limit", len(k.query("select country, count(*) from pageviews group by country", limit=2)["results"]), 2)
want("offset", k.query("select x from (values (1), (2), (3)) as t(x) order by x", offset=2)["results"], [["3"]])

engine = sqlalchemy.create_engine(where)
inspector = sqlalchemy.inspect(engine)
if "PAGEVIEWS" not in inspector.get_table_names():
    raise AssertionError("SQLAlchemy's tables: %r" % inspector.get_table_names())
views = sqlalchemy.Table("PAGEVIEWS", sqlalchemy.MetaData(), schema="DEFAULT", autoload=True, autoload_with=engine)
q = select([views.c.COUNTRY.label("k"), func.count().label("CNT")]).group_by(views.c.COUNTRY).order_by(sqlalchemy.desc("CNT")).limit(3)
with engine.connect() as c:
    found = c.execute(str(q.compile(engine, compile_kwargs={"literal_binds": True}))).fetchall()
    want("rows", len(found), 3)
    if not (isinstance(found[0][0], str) and isinstance(found[0][1], int) and found[0][1] >= found[1][1]):
        raise AssertionError("top countries: %r" % found)
    day = c.execute(
        "SELECT CAST(FLOOR(CAST(TS AS TIMESTAMP) TO DAY) AS DATE) AS TS, max(TS) AS t, sum(BYTES) b, COUNT(*) AS \"count\" "
        "FROM \"DEFAULT\".\"PAGEVIEWS\" WHERE TS >= '2000-01-01 00:00:00.000000' GROUP BY CAST(FLOOR(CAST(TS AS TIMESTAMP) TO DAY) AS DATE)"
    ).fetchone()
    want("types of a day", [type(v) for v in day], [datetime.date, datetime.datetime, int, int])
print("ok")
