"""Reads sketches with the datasketches package and prints what it estimates of them.

usage: sketches.py < SKETCHES
Each line is hll and the bytes in hex, or tdigest, the bytes in hex and a quantile; the answer is a line with a number.
"""

import sys

import datasketches

for line in sys.stdin:
    kind, text, *rank = line.split()
    data = bytes.fromhex(text)
    if kind == "hll":
        print(repr(datasketches.hll_sketch.deserialize(data).get_estimate()))
    else:
        print(repr(datasketches.tdigest_double.deserialize(data).get_quantile(float(rank[0]))))
