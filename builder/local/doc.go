// Package local is the engine `local`: it makes the cuboids of a segment in this process, from staged files or from the
// cuboids of segments that are merged, within a memory budget. It decides what is in memory, what is in temporary files, and
// what is done at once. What cells are is decided by builder/cells, what files are by builder/cuboid, when a segment is
// built by builder.
//
//   - L1: the same inputs give the same bytes, whatever the threads, the memory and what is spilled: events are grouped in
//     blocks and cells in frames of fixed sizes, and fold in the order of these.
//   - L2: an event counts once: a row that lies in the range, in the file that the ledger names for its offset.
//   - L3: the memory of blocks, runs, merges, cuboids that are kept and row groups that wait to be written is accounted and stays
//     within Options.Memory, half of it for what is kept, but for one task that is larger than its half.
//   - L4: temporary files stay within Options.Disk, and go with the build that made them. A build that was killed leaves them
//     to the next attempt at the same segment, which takes over those that are whole: runs that were spilled, and of builds of
//     2^20 events or more every cuboid that was finished. Where the disk is full they go at once.
//   - L5: a build that ends with an error has published nothing; what it wrote below its folder is clean-up's.
package local
