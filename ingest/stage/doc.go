// Package stage decides how events lie in memory and in files: columns and chunks, and the writers and readers of staged
// and supplement files (Parquet, NDJSON), quarantine files and ledger files, with their names. docs/format has the byte
// tables. It leaves to others what goes into a file, when a file is written and whether it counts.
//
//   - F1: a file's rows ascend by offset, lie in the range of its footer, and none lies in an exception.
//   - F2: the same rows give the same bytes, whatever the borders of the chunks they came in.
//   - F3: a file is read whole and right, or with an error that names it: a changed byte never gives other values.
//   - F4: the row hash of a union of disjoint sets of rows is the sum of their hashes, in any order.
//   - F5: a name holds who made the file; ParseKey gives back what the key functions were given.
//   - F6: an encoder holds the pages of one column of one row group, however large the file; what it reads from is the
//     caller's chunks.
package stage
