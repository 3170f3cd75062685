// Package run answers a block of a statement out of cells: it filters and groups codes of dictionaries, folds states and
// makes an Arrow record of them. It leaves to query/plan what a statement asks for and which cuboid has it, to
// query/source which cells there are, and to builder/cells what a state is.
//
//   - N1: an answer is that of the rows it was given, once each: how they lie in batches, layouts and threads, and which
//     tables were kept from earlier queries, changes sums of float64 by rounding, percentiles and top_n within their stated
//     error, and nothing else.
//   - N2: conditions and groups are worked out once for each distinct value of a batch; rows are only ever codes.
//   - N3: a row counts where its condition is true, neither where it is false nor where it is null.
//   - N4: a query holds at most MemoryBytes of groups, their states and batches that no cache holds, then it ends with a
//     MemoryError. Caches have limits of their own: ColumnBytes, TableBytes, DomainBytes.
//   - N5: a query ends within some thousand rows, or one sort of its groups, of the end of its context, and leaves no goroutine
//     behind.
//   - N6: of equal rows the order is that of the groups, so an answer with a limit has the same rows each time.
//   - N7: what is kept is kept under what never changes: a column under its object, row group and number, a table under its
//     dictionary, a domain under the key of its values. Nothing kept is ever stale.
package run
