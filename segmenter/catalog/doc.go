// Package catalog decides what is committed: projects, definitions of tables and cubes with all their versions, for every
// partition which offsets were read into which file, and for every cube which ranges are built, by which job. It is the
// truth after a crash (I1); files that it does not name do not count. One database/sql path serves SQLite (one machine) and
// PostgreSQL (a cluster) with the same statements and migrations. What a ledger row or a segment may look like is decided by
// package segmenter; what is in the files by their writers; when a job runs by the scheduler.
//
//   - C1: a commit is accepted only under the partition's current epoch and only at its committed end (I3). Every change
//     of a partition first locks its row, so that of two that race one waits and is then refused.
//   - C2: a refused or interrupted change leaves nothing visible: each is one transaction.
//   - C3: asked again after an unknown outcome, Begin, Commit, NewGeneration, CommitSupplement, Publish and Retire answer as
//     the first time, and Reserve and Apply with an idempotency key.
//   - C4: the ledger of every partition and generation tiles from its start to its end (segmenter S1 to S4), after every
//     transaction.
//   - C5: the id of a table or cube and its versions never change; a change of the definition is a new version.
//   - C6: an object key is named by one ledger row or supplement only.
//   - C7: what is asked often (assign, commit, stats, requests, revision; reserve, publish, claim, open jobs, snapshot of a
//     cube or a query, segments and staged rows by time) costs the same whatever the ledger's length, and whatever was retired or has ended (I8).
//   - C8: every call has a time limit, and connections are limited (Options, I10). A database that does not answer is
//     ErrUnavailable: ask again.
//   - C9: ready segments of a cube do not overlap; a new one overlaps no new one, and only the ready ones that it replaces
//     (segmenter S8). Every change of a cube's segments first locks the cube's row, then the job's.
//   - C10: a new segment has one job that is open, and an open job has one new segment. They begin in one transaction and end
//     in one: published, or withdrawn.
//   - C11: a job's lease is held under one epoch. Under any other, and when it does not run, every change by it is refused
//     with a *StaleJobError. No two epochs of the jobs of a cube are equal, so that no two attempts share a folder.
//   - C12: a ready segment whose inputs changed after they were read is found by StaleSegments, whatever runs at once.
//   - C13: the slices of a dictionary are numbered from 1 and their ids follow each other from 0, without a hole. Of two that
//     are appended at once one is refused with ErrDictionaryMoved.
//   - C14: a QuerySnapshot is of one state of the catalog, holds each committed offset in one ready segment with cuboids or in one
//     uncovered range, and says the same whether it was brought up to date or read anew.
//   - C15: each transaction that changes what is committed has a version of its own; versions and their times ascend in the order
//     of commits. A QuerySnapshotAt of a moment has the same events whenever it is asked for, unless their files are lost.
package catalog
