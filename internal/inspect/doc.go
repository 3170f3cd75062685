// Package inspect says what a file of the store, or a table of HBase, says of itself: schema, metadata, row groups, cuboids and first rows. It
// reads the file or the table alone, so it works where there is no catalog. It leaves to internal/verify whether what a file says is
// true.
//
//   - N1: a file or table that is damaged or foreign is an error that names it, never a part of a report.
//   - N2: the same file or table gives the same report.
package inspect
