// Package source decides where the events of a table are at one moment, and hands them out: which ready segments of a cube hold
// them, which staged files those that no segment holds, and which chunks of the tail the rest. Events of files and of the tail
// come as cells of a cuboid, or as they are in Arrow records. What a statement asks for, and how cells are folded to an answer, is
// decided by others.
//
//   - E1 (I2): of a snapshot each offset from the first to the last that it covers is in exactly one place: a ready segment with
//     cuboids, a row of the ledger that none covers, or the tail; what is in none of them is named as a hole.
//   - E2: the tail is pinned before the catalog is asked, and the answer about the catalog was begun after that. Where the tail
//     begins behind the catalog's end, or in a generation that the catalog does not know, the catalog is asked again.
//   - E3: the cells of a file or of a chunk that will not change are made once for an offset sub-range, a layout and a cuboid, by
//     one caller while the others wait. What is kept is never stale: it is keyed by what never changes.
//   - E4: what is left out for its times has no event of the times that are asked.
//   - E5 (I10): what is kept stays below CellBytes, what a reader has in hand below ReadBytes and one row group, and the snapshots
//     below Snapshots. At a limit it is slower, never wrong.
//   - E6: a file that cannot be used is a *FileError with its key and the offsets that it should hold. Nothing is left out for it.
//   - E7: whoever stops early, or is cancelled, leaves no goroutine and no open file behind.
//   - E8: a partition that another process reads is named with it, since what that one holds in memory is in no snapshot here. One
//     that nobody reads is not, nor one whose reader has died: what it held is read again by the next.
package source
