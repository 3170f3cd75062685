// Package lookup makes snapshots of lookup tables out of CSV and Parquet files, and out of answers to queries. It decides which of them
// can be one and what a snapshot holds; which versions there are is the catalog's, and how a query is answered that of Ask.
//
//   - K1: the values of the key are unique and none is null.
//   - K2: the same rows and types give the same bytes, in whatever order they come: rows are sorted by key. Of a query its text and the
//     moment that it covers belong to that; answers of two moments that differ in nothing else make one version.
//   - K3: a snapshot is in the store before the catalog names it (I4, I5). Its name holds the hash of its bytes.
//   - K4: rows, and bytes of a file and of its values, have a limit each (I10).
//   - K5: what is wrong with a file is said with its line and column, or its row (I12).
//   - K6: what fails while a query is asked again leaves the newest version as it is, and is noted. A version is replaced by the one of
//     its own query only, and within an hour not by one that covers less of a partition.
package lookup
