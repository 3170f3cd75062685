// Package builder decides what is done to cubes next and does it: it cuts, builds, merges, refreshes and retires segments,
// cleans up, backs up and rebuilds the catalog. Decisions are pure and made by segmenter over a snapshot of the catalog;
// the loops here only read, ask and apply. When a task runs is decided by builder/scheduler, what is committed by
// segmenter/catalog.
//
//   - B1: a plan is applied only to the revision of the cube that it was made from, as a whole and in one transaction; a cube that
//     has changed is planned again. So decisions about a cube are serial (I7), whichever process or person makes them.
//   - B2: a job's body changes nothing but its own folder until it publishes, in one transaction (I5). It can be killed
//     between any two of its calls and run again.
//   - B3: a segment is published only if the ledger names every offset of its range and every file that the ledger names
//     is in the store, with the size that was committed.
//   - B4: manifest.json is the last file of a folder, and a folder is written by one epoch of one job (I4).
//   - B5: what waits for staging holds no slot and no lease, and goes on when all is staged, even if its job has failed by
//     then; what a closed generation lacks is not waited for. One new segment waits for the log of a partition, not several.
//   - B6: the plan that was shown is the plan that is run: its hash is over all that it does.
//   - B7: nothing is deleted in the pass that found it unneeded (I11), and nothing that a live segment names.
//   - B8: the catalog can be made again from the files of the store alone, but for users, jobs and history.
//   - B9: a pass of the timer over cubes that have nothing to do asks the catalog once or twice, however many cubes, segments
//     and ended jobs there are, and asks for all that a look at every cube would. What it remembers is only of this process:
//     after a restart it looks at every cube once.
//   - B10: a time that a job was given (lease, back-off, wait, hold) is judged in one place, patience: no clock, however it is
//     set, makes it last longer than that, or takes the job of an owner that renews its lease.
//   - B11: the query of a lookup table is asked again by one process at a time, when it is due; one that fails is, after pauses that
//     double. Meanwhile the newest version stays what it is.
package builder
