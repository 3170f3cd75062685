// Package segmenter decides what a segment is: which contiguous offsets it covers, which event times lie in it, and
// what the ledger of a partition must look like for every offset to have exactly one name. It does no I/O and reads no
// clock: the same input gives the same answer. What is built, merged, refreshed or retired next is decided in plan, the
// package below this one; which rows are committed, in catalog.
//
//   - S1: the rows of a partition's ledger never overlap within one generation.
//   - S2: the end of one row is the start of the next; anything else is a hole and is reported as one.
//   - S3: an exception (gap, quarantined) lies inside a staged row, exceptions ascend and never overlap.
//   - S4: the events of a staged row are its offsets less its exceptions.
//   - S5: the ranges of a vector ascend by partition and generation, and no two are of one line.
//   - S6: a vector goes on where another ends if no offset lies between them or in both, on any line. The end of a
//     closed generation and the start of the next one are one place.
//   - S7: a segment's range names every partition that was known when it was cut, with an empty range where nothing
//     was new. It holds at least one offset.
//   - S8: the ranges of a cube's ready segments never overlap. A new one overlaps no other new one, and only the ready
//     ones that it names as replaced.
//   - S9: the events, gaps, quarantined, skipped and lost offsets of a part add up to the length of its range.
//   - S10: a segment's id is the hash of what it was built from, and its manifest says all that the catalog knows of it
//     but when it was published.
//   - S17: a cube's front says where each of its partitions begins. The first reservation makes it, one before it moves it back;
//     only what a person or age gave up moves it on: what is dropped or expires, and a reservation cancelled by hand, which
//     takes back what it alone has moved. A job that failed never does. (S11 to S16 are those of plan.)
package segmenter
