// Package pages turns columns of values into the pages of a Parquet file and back. It has what the formats of staged
// files and of cuboid files share: how values lie in memory, how a column chunk is laid out and compressed, its
// statistics, the metadata with their guard. It leaves to others which columns a file has, where its row groups end and
// what its key-value metadata mean. docs/format/staged-parquet.md has the byte tables of pages.
//
//   - P1: the same values give the same bytes, whatever the borders of the slices they came in.
//   - P2: a column chunk is read whole and right, or with an error: a changed byte never gives other values, and never
//     asks for more memory than the metadata, which a hash covers, say.
//   - P3: an Encoder holds the pages of one column of one row group; what it reads from is the caller's.
package pages
