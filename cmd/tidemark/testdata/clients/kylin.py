# What people do with kylinpy and its SQLAlchemy dialect: kylin.py HOST:PORT [USER CERT]. With a user it speaks TLS with who has the certificate, which
# SSL_CERT_FILE names as well, and takes the password from KYLIN_PASSWORD. Then it asks the statements on standard input, one a line, both ways, and
# prints their rows, a tab between values and an empty line behind each answer. Ends with "ok", or with an exception.
import datetime
import os
import sys

import kylinpy
import sqlalchemy
from kylinpy.client import HTTPError
from kylinpy.exceptions import KylinQueryError
from kylinpy.kylinpy import Kylin
from sqlalchemy import func, select
from sqlalchemy.engine.url import URL

host, port = sys.argv[1].split(":")
strict = {}  # kylinpy looks at certificates only if it is told to
if len(sys.argv) > 2:
    user, password, query, strict = sys.argv[2], os.environ["KYLIN_PASSWORD"], {"is_ssl": "1"}, {"unverified": False}
else:
    user, password, query = "ADMIN", "KYLIN", {}


def connect(password):
    if strict:  # a DSN of kylinpy takes no password with a blank
        return Kylin(host, user, password, int(port), "default", is_ssl=True, **strict)
    return kylinpy.create_kylin("kylin://%s:%s@%s/default" % (user, password, sys.argv[1]))


def want(what, got, expected):
    if got != expected:
        raise AssertionError("%s: got %r, want %r" % (what, got, expected))


k = connect(password)
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

engine = sqlalchemy.create_engine(URL("kylin", user, password, host, int(port), "default", query), connect_args=strict)
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
if strict:
    for guess in ("wrong guess", None):
        try:
            connect(guess).get_all_schemas()
            raise AssertionError("password %r: an answer" % guess)
        except HTTPError as e:
            want("status of password %r" % guess, e.status_code, 401)
for line in sys.stdin:
    plain = k.query(line.strip())["results"]
    with engine.connect() as c:
        dialect = [[str(v) for v in row] for row in c.execute(line.strip()).fetchall()]
    want("SQLAlchemy's rows of " + line, dialect, [[str(v) for v in row] for row in plain])
    for row in dialect:
        print("\t".join(row))
    print()
print("ok")
