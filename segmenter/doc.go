// Package segmenter decides what a segment is: which contiguous offsets it covers, which event times lie in it, and
// what the ledger of a partition must look like for every offset to have exactly one name. It does no I/O and reads no
// clock: the same input gives the same answer.
//
//   - S1: the rows of a partition's ledger never overlap within one generation.
//   - S2: the end of one row is the start of the next; anything else is a hole and is reported as one.
//   - S3: an exception (gap, quarantined) lies inside a staged row, exceptions ascend and never overlap.
//   - S4: the events of a staged row are its offsets less its exceptions.
package segmenter
