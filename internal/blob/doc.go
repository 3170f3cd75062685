// Package blob keeps objects under keys: in a directory (Dir), in S3 or a store that speaks its protocol (S3), in memory
// (Mem). It knows nothing of what the objects hold, of who refers to them, or of when they may be deleted.
//
//   - B1: an object is created once and never changes. Of any number of concurrent Creates of one key one wins; the others
//     get ErrExists.
//   - B2: an object is whole and durable or absent: after a crash at any moment no reader sees half of one, and what Create
//     reported as done, or as ErrExists, is still there.
//   - B3: a failed Create may have taken effect. CreateSame and Retry tell "mine, already done" from "another's" by size
//     and SHA-256.
//   - B4: only ErrUnavailable is worth a retry. Every wait, retry, buffer and page has a limit with a name.
//   - B5: keys are slash-separated and relative; no element is empty or begins with a dot. Both kinds of store take the same
//     keys, but for one rule: a key that is a folder of other keys ("a" beside "a/b") is possible only in some, so nobody
//     makes such keys.
package blob
