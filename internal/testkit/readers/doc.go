// Package readers reads files that we wrote with programs that did not write them, and sums up what they find. It stands apart
// from testkit since it links DuckDB.
//
//   - R1: two sums are equal if a column has as many values and the same ones, in whatever order; a null counts for nothing.
//   - R2: the text of a value, over which sums are made, is the same whoever read it, ingest/stage/testdata/readers.py included.
package readers
