// Package lookup makes snapshots of lookup tables out of CSV and Parquet files. It decides which files can be one and what a
// snapshot holds; which versions there are is the catalog's.
//
//   - K1: the values of the key are unique and none is null.
//   - K2: the same rows and types give the same bytes, in whatever order they come: rows are sorted by key.
//   - K3: a snapshot is in the store before the catalog names it (I4, I5). Its name holds the hash of its bytes.
//   - K4: rows, and bytes of a file and of its values, have a limit each (I10).
//   - K5: what is wrong with a file is said with its line and column, or its row (I12).
package lookup
