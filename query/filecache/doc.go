// Package filecache keeps blocks of a remote store's objects on local disk, so that what queries read again and again is fetched
// once. What is read, and when, is decided by others.
//
//   - F1: what is read through it is what the store has: objects never change, a block is named by its store, its key and its place,
//     and is checked by its sum whenever it is read. One that does not hold is dropped and fetched again.
//   - F2 (I10): blocks on disk stay below Bytes; those that were not asked for the longest give way. What one reader has fetched ahead
//     is at most aheadBlocks blocks of memory.
//   - F3: a block that several ask for at once is fetched once. Whoever is cancelled fetches for nobody, and nobody waits for him.
//   - F4: a disk that is full or broken makes it slower, never wrong: the store is read straight.
//   - F5: what was kept is there after a restart; half a block is none.
package filecache
