// Package hbase decides how the cuboids of a segment lie in a table of HBase: the twin of cuboid files. It leaves to
// builder/cells what a cell is, to builder/cuboid what the hash of a cuboid is, and to builder which tables are needed.
// docs/format/hbase.md has the byte tables.
//
//   - H1: a table belongs to one attempt at one segment; nobody writes to it once it is named.
//   - H2: row keys of a cuboid in one shard order as its cells do; what is read is the cells that were written, in their order.
//   - H3: a table is named only after every cuboid was read back with the rows and the hash that were written.
//   - H4: every call has a deadline, every retry an end, and a server that is gone for long is not asked in a loop.
//     A client is closed when nobody uses it any more.
//   - H5: rows on their way, regions of all tables and the size of a call have named limits.
package hbase
