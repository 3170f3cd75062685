// Package cuboid decides how the cuboids of a segment lie in files and which cuboid is made from which. It leaves to
// builder/cells what a cell is, to builder/local how cells are made and in which order, and to segmenter what a manifest
// says. docs/format/cuboids.md has the byte tables.
//
//   - U1: a row group holds rows of one cuboid, ascending by row key; the row groups of a cuboid follow each other.
//   - U2: the same cells in the same order of cuboids give the same bytes, whatever the batches, threads or memory.
//   - U3: a cuboid is read whole and right, or with an error that names the file: a changed byte never gives other values.
//   - U4: the hash of a cuboid is that of its rows in row-key order; it does not depend on files, row groups or codes.
//   - U5: a Writer holds one file of at most FileBytes and a row group; an Encoder what its row group needs.
//   - U6: each cuboid but the base is made from the smallest cuboid that is larger than it, never again from events.
package cuboid
