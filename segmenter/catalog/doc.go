// Package catalog decides what is committed: projects, table definitions with all their versions, and for every partition
// which offsets were read into which file. It is the truth after a crash (I1); files that it does not name do not count.
// One database/sql path serves SQLite (one machine) and PostgreSQL (a cluster) with the same statements and migrations.
// What a ledger row may look like is decided by package segmenter; what is in the files by their writers.
//
//   - C1: a commit is accepted only under the partition's current epoch and only at its committed end (I3). Every change
//     of a partition first locks its row, so that of two that race one waits and is then refused.
//   - C2: a refused or interrupted change leaves nothing visible: each is one transaction.
//   - C3: asked again after an unknown outcome, Begin, Commit, NewGeneration and CommitSupplement answer as the first time.
//   - C4: the ledger of every partition and generation tiles from its start to its end (segmenter S1 to S4), after every
//     transaction.
//   - C5: a table's id and its versions never change; a change of the definition is a new version.
//   - C6: an object key is named by one ledger row or supplement only.
//   - C7: what is asked often (assign, commit, stats, requests, revision) costs the same whatever the ledger's length (I8).
//   - C8: every call has a time limit, and connections are limited (Options, I10). A database that does not answer is
//     ErrUnavailable: ask again.
package catalog
