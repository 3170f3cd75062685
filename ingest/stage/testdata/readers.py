"""Reads staged and cuboid files with pyarrow and pandas and prints, per file and reader, the sums that crossread_test.go
makes.

usage: readers.py FILE...
The text of a value and the sum over a column are those of textOf and colSum there.
"""

import datetime
import decimal
import json
import math
import struct
import sys
import zlib

import pandas
import pyarrow
import pyarrow.json
import pyarrow.parquet

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
decimal.getcontext().prec = 60


def text(name, value):
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        if math.isnan(value):
            return b"nan"
        return str(struct.unpack("<Q", struct.pack("<d", value))[0]).encode()
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(-value.as_tuple().exponent))).encode()
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError(f"column {name}: a time without a zone")
        micros = (value - EPOCH) // datetime.timedelta(microseconds=1)
        return str(micros // 1000 if name == "_timestamp" else micros).encode()
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days).encode()
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def sums(names, columns):
    out = {}
    for name, values in zip(names, columns):
        texts = [text(name, v) for v in values if v is not None]
        if values:
            out[name] = {"values": len(texts), "sum": sum(map(zlib.crc32, texts)) % 2**64}
    return out


def table_sums(table):
    return sums(table.column_names, [c.to_pylist() for c in table.columns])


def pandas_sums(frame):
    """Counts per column and the sum of _offset: what a pandas user sees first."""
    return {"rows": len(frame), "offsets": int(frame["_offset"].sum()), "columns": sorted(frame.columns)}


def main(paths):
    out = {}
    for path in paths:
        if path.endswith(".parquet"):
            table = pyarrow.parquet.read_table(path)
            out[path] = {"pyarrow": table_sums(table)}
            if "_offset" in table.column_names and "seen" not in table.column_names:  # its years lie beyond pandas' nanoseconds
                out[path]["pandas"] = pandas_sums(pandas.read_parquet(path))
        else:
            with pyarrow.CompressedInputStream(pyarrow.OSFile(path), "zstd") as lines:
                frame = pandas.read_json(lines, lines=True, dtype=False)
            out[path] = {"pandas": pandas_sums(frame)}
            if "seen" not in frame.columns:
                with pyarrow.CompressedInputStream(pyarrow.OSFile(path), "zstd") as lines:
                    out[path]["rows"] = pyarrow.json.read_json(lines).num_rows
    json.dump(out, sys.stdout)


main(sys.argv[1:])
