// Package cells decides how groups of events and of cells lie in memory and how they become fewer: dictionaries of
// dimension values, keys packed in machine words, states of measures in columns. It does no I/O and starts no
// goroutine; what is read, kept or written, and when, is its callers' business.
//
//   - C1: a Dict's values ascend and are distinct, so codes compare as values do; code 0 is null and below all of them.
//   - C2: the rows of Cells ascend by key and no key comes twice. The first dimension of the row key weighs most.
//   - C3: states fold in the order of sources and of rows within a source, whatever the way groups are found: the same
//     parts in the same order give the same cells, bit by bit.
//   - C4: grouping the union of two sets of events gives the cells that grouping each and then their cells gives; sums of
//     floats up to rounding, percentile and top_n within their stated error.
//   - C5: no state is an object of its own: a measure's states are a few arrays, however many cells there are.
//   - C6: a sum never wraps: beyond 38 digits it is an OverflowError with the measure's name.
//   - C7: FromColumns gives back what Columns gave, and of anything else an error.
//   - C8: FoldRows gives what Fold of the same rows gives, percentile within its stated error, and keeps none of its arguments.
package cells
