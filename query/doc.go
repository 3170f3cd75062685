// Package query answers SQL over tables. It decides which cube answers a block of a statement, for each segment which cuboid, and
// where the events that no cuboid tells come from: staged files and the tail. It leaves the tree of a statement to query/duck, what
// cubes may answer to query/plan, where events are to query/source, and folding cells to query/run.
//
//   - Q1 (I2): all blocks and scans of a statement see one snapshot of a table: each event that it covers once, no other.
//   - Q2: of a statement the tail is read first, then the snapshot's pin is released, then files are read.
//   - Q3: what no cube answers is answered from events, never in another way: the answer is the same.
//   - Q4: a segment whose cuboids cannot be read is answered from its staged files, and the answer says so.
//   - Q5: an answer says which offsets it covers, and what is missing.
//   - Q6 (I10): statements at once, those that wait, rows, memory and time have limits with names.
//   - Q7 (I12): a panic ends the statement that met it, with an incident number, and gives its turn back. Nobody else notices.
//   - Q8: an answer that is kept is found by its plan and by all that its snapshots hold of the times it asks for, so that it is
//     never stale; what it covers is said of the snapshots of now. So are the folded groups of a block's segments, and of its staged
//     files: those are found whatever the tail has got meanwhile.
package query
