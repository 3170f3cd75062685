"""What people do with psycopg and SQLAlchemy: postgres.py HOST:PORT. Ends with "ok", or with an exception."""

import datetime
import decimal
import sys

import psycopg
import sqlalchemy
from psycopg.types import TypeInfo


def want(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, want {expected!r}")


def values(c):
    row = c.execute(
        "SELECT 1::SMALLINT, 2::BIGINT, 1.5::DOUBLE, 1.50::DECIMAL(9,2), 'x', true, DATE '2026-02-03',"
        " TIMESTAMP '2026-02-03 04:05:06.789', TIMESTAMPTZ '2026-02-03 04:05:06+00', TIME '04:05:06', '\\x01'::BLOB, NULL, [1, NULL]::INTEGER[],"
        " INTERVAL '1 day 2 hours', ['a', 'b,\"c'], 12345678901234567890123456789::HUGEINT"
    ).fetchone()
    want("values", row, (
        1, 2, 1.5, decimal.Decimal("1.50"), "x", True, datetime.date(2026, 2, 3), datetime.datetime(2026, 2, 3, 4, 5, 6, 789000),
        datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc), datetime.time(4, 5, 6), b"\\x01" if row[10] == b"\\x01" else b"\x01", None, [1, None],
        datetime.timedelta(days=1, hours=2), ["a", 'b,"c'], decimal.Decimal("12345678901234567890123456789"),
    ))


def parameters(c, binary):
    at = datetime.datetime(2020, 1, 1)
    row = c.execute(
        "SELECT count(*) FROM pageviews WHERE ts > %s AND bytes > %s AND country <> %s AND country <> ALL(%s)", (at, 10, "ZZ", ["XX", "YY"]), binary=binary
    ).fetchone()
    want("events", row[0] > 0, True)
    sent = (5, 1.25, decimal.Decimal("3.75"), datetime.date(2026, 2, 3), at, True, None)
    row = c.execute("SELECT %s::BIGINT, %s::DOUBLE, %s::DECIMAL(9,2), %s::DATE, %s::TIMESTAMP, %s::BOOLEAN, %s::INTEGER", sent, binary=binary).fetchone()
    want("parameters", row, sent)


def cursors(c):
    with c.transaction(), c.cursor(name="some") as cur:
        cur.execute("SELECT x FROM range(%s) AS r(x) ORDER BY x", (2500,))
        want("some", [r[0] for r in cur.fetchmany(3)], [0, 1, 2])
        want("the others", sum(1 for _ in cur), 2497)


def mistakes(c):
    for sql, state in (
        ("SELECT nothing FROM pageviews", "42703"), ("SELECT * FROM nowhere", "42P01"), ("SELEC 1", "42601"), ("DROP TABLE pageviews", "25006"),
        ("SELECT 'x'::INTEGER", "22P02"), ("SELECT 9223372036854775807::BIGINT + 1::BIGINT", "22003"),
    ):
        try:
            c.execute(sql)
        except psycopg.Error as e:
            want(sql, e.sqlstate, state)
        else:
            raise AssertionError(f"{sql} was answered")
    try:
        c.execute("SELECT nothing FROM pageviews")
    except psycopg.errors.UndefinedColumn as e:
        want("position", e.diag.statement_position, "8")
    c.execute("SET statement_timeout = '50ms'")
    try:
        c.execute("SELECT sum(a.x * b.x) FROM range(100000000) AS a(x), range(1000) AS b(x)")
    except psycopg.errors.QueryCanceled:
        pass
    else:
        raise AssertionError("statement_timeout did nothing")
    c.execute("RESET statement_timeout")


def native(address):
    with psycopg.connect(f"postgresql://ann@{address}/default", autocommit=True) as c:
        values(c)
        for binary in (False, True):
            parameters(c, binary)
        cursors(c)
        mistakes(c)
        told = []
        c.add_notice_handler(lambda d: told.append(d.message_primary))
        c.execute("SET tidemark.notices = always")
        c.execute("SELECT count(*) FROM pageviews")
        want("a notice", len(told), 1)
        want("a type that is not there", TypeInfo.fetch(c, "hstore"), None)
        want("a type", TypeInfo.fetch(c, "int8").oid, 20)
    try:
        psycopg.connect(f"postgresql://ann@{address}/nowhere")
    except psycopg.OperationalError as e:
        want("a project that is not there", "nowhere" in str(e), True)
    else:
        raise AssertionError("a project that is not there was opened")


def alchemy(address):
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://ann@{address}/default")
    look = sqlalchemy.inspect(engine)
    want("tables", look.get_table_names(), ["pageviews"])
    want("schemas", "public" in look.get_schema_names(), True)
    want("views", look.get_view_names(), [])
    columns = {c["name"]: c["type"] for c in look.get_columns("pageviews")}
    want("type of ts", isinstance(columns["ts"], sqlalchemy.types.TIMESTAMP), True)
    want("type of bytes", isinstance(columns["bytes"], sqlalchemy.types.BIGINT), True)
    want("type of country", isinstance(columns["country"], sqlalchemy.types.TEXT), True)
    want("primary key", look.get_pk_constraint("pageviews")["constrained_columns"], [])
    want("foreign keys", look.get_foreign_keys("pageviews"), [])
    want("indexes", look.get_indexes("pageviews"), [])
    views = sqlalchemy.Table("pageviews", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as c:
        top = c.execute(
            sqlalchemy.select(views.c.country, sqlalchemy.func.count().label("n")).where(views.c.bytes > 10).group_by(views.c.country)
            .order_by(sqlalchemy.desc("n")).limit(3)
        ).all()
        want("top", len(top), 3)
        try:
            c.execute(sqlalchemy.text("SELECT nothing FROM pageviews"))
        except sqlalchemy.exc.ProgrammingError as e:
            want("a mistake", e.orig.sqlstate, "42703")
        else:
            raise AssertionError("a mistake was answered")
    engine.dispose()


native(sys.argv[1])
alchemy(sys.argv[1])
print("ok")
