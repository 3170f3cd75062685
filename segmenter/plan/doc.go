// Package plan decides what becomes of a cube's offsets next: where segments are cut, which holes are filled, which
// segments are merged, refreshed or retired, and which a query reads. Every plan is a pure function of what is there and
// of a time that is given: the same input gives the same plan, and a plan says what it takes, what it leaves and why. It
// looks at what is missing, not at what was to happen when: after a pause of any length one plan names all of it.
// Reserving, building and publishing are left to catalog and builder.
//
//   - S11: a cut begins where the last new or ready segment ends, ends nowhere behind what was read, and the cuts of one
//     plan are disjoint, go on from one another and hold all that they divide, each at most the size limit.
//   - S12: a hole holds exactly the offsets between a cube's front (S17) and the end of its last ready segment that no new or
//     ready segment covers and the ledger does not name skipped or lost.
//   - S13: a merge changes neither the union of the ranges nor the number of events. It takes ready segments of
//     definition versions that hold the same, each going on where the one before ends; no segment is in two merges.
//   - S14: a segment with events in a window of time is picked for it, whatever segment came before or after.
//   - S15: retention takes from the front only and never the last ready segment, which says where the next one begins.
//   - S16: a backfill builds no offset that a new or ready segment holds.
package plan
