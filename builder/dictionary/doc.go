// Package dictionary gives the values of a string column ids, the same in all cubes and segments of the table: exact distinct
// counts are sets of ids, and sets of different ids cannot be merged. It decides what a slice of a dictionary holds and how a
// build finds and adds values. Which slices a dictionary has is the catalog's; what is done with ids is the caller's.
// docs/format/dictionary.md has the bytes.
//
//   - D1: a value's id never changes, no two values of a column have one id, and ids have no hole.
//   - D2: new values of one build get ids in sorted order: the same values on the same dictionary give the same slice.
//   - D3: a slice is in the store, whole, before the catalog names it (I4, I5). What the catalog does not name is never read;
//     of two builds that append at once the later one reads what the other has added, and adds only what is still new.
//   - D4: memory does not grow with the dictionary nor with the build's values, but for an index of about a thousandth of those
//     that are new: both are sorted and read side by side, within Options.Memory (I10).
//   - D5: each slice holds the hash of the one before it, in its key too. A changed byte anywhere is an error.
//   - D7: a look-up reads few files however many builds there were: runs of 16, 256 ... slices are packed into one file. A pack says
//     nothing that its slices do not; without it, or where it is damaged, they are read, and any build makes it again, to the byte.
//   - D8: who only reads finds the ids of a build from the slices up to the one that the build depends on, and writes nothing to the store.
//   - D6: which slice a build depends on is the last one that has a value of it, whatever other builds have added since.
package dictionary
