// Package plan decides what cubes answer of a statement: it finds the SELECTs over one table of ours that group or aggregate,
// its blocks, rewrites the rest so that it reads their rows, and says which cuboids of a layout have what a block asks for.
// It does no I/O and reads no clock. Reading text and running the rest is query/duck's business, folding cells query/run's,
// and which cells there are query/source's.
//
//   - P1: the rest over the rows of blocks and scans is what the statement is over the events: the same rows, names and
//     types. Only what DuckDB refuses may be answered too.
//   - P2: a block's Original over its Raw scan gives the block's rows. So a block that no cube answers costs time, never
//     another answer.
//   - P3: rows that a Scan's Time or Where leaves out change no answer.
//   - P4: a Term of a block names one column of its relation, and has the same value for all events between which no Dep tells: neither a column that is Whole, nor a start of
//     a span of Steps, nor one of Cuts lies between them.
//   - P5: a Cond that is Timed is true of the events with a time in Times and false of all others; a Simple one is what DuckDB
//     says of its column's values, null included.
//   - P6: a Need's cells and events are all events that may pass, each once. Asked at the later of the start of a cell's span
//     and the Lo of its range (Cells have none), a term is what it is of each event of the cell.
//   - P7: an approximate answer is given where it was asked for by Options.Approximate or by the function's name, and then
//     Need.Approximate names it.
//   - P8: columns of timestamps are TIMESTAMP, in UTC; a session's time zone changes nothing.
package plan
