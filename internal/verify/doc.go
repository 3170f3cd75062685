// Package verify proves that every offset that was read has exactly one name: it is an event in one file, a gap,
// quarantined, skipped or lost; and that segments hold what they say. It reads the catalog, every file the catalog names,
// every segment's manifest and, if asked, Kafka itself, and believes none of them: what a footer says is measured, what the catalog says is held against both. It changes nothing.
// What a ledger must look like is decided by package segmenter, what files look like by ingest/stage.
//
//   - V1: a report without problems means: the ledger of every partition and generation tiles from its first offset to
//     its committed end (S1 to S4), the catalog's counters agree with it, every named file is there with its size and
//     SHA-256, and its rows are its range less its exceptions, offset by offset, with the row hash that was committed.
//   - V2: against Kafka: every offset that the broker still has decodes to the same event, the same refusal or the same gap.
//     What it no longer has is counted as not checkable, never as equal and never as a problem.
//   - V3: a problem names table, range or file, what is wrong and what to do. One cause in one file is one problem.
//   - V4: an error means that the proof was not finished (storage, catalog or brokers do not answer); a report is always
//     whole.
//   - V5: memory is bounded by workers, not by files: each holds one file of up to HoldBytes, or else one row group of it,
//     of cuboids two row groups, the folded state of a segment, its fingerprints (up to 40 MiB) and LookupMemory of strings whose ids are looked up; against Kafka two fetches. The rows of one table's ledger and the live segments of its cubes are held at once.
//   - V6: of every ready segment: its manifest is there, keeps the format and says what the catalog's row says; its own
//     files have their size and SHA-256; its inputs are the ledger's files over its range, which were proved by V1, and
//     its counts and event times are those of these files. Live segments do not overlap (S8). Holes are listed.
//   - V7: a segment whose inputs have changed since it was built is proved against the inputs that it was built from, as
//     far as the ledger still has them, and listed as stale: a problem only where nobody knows of the change.
//   - V8: ledger and segments are of one moment in which no committed event changed. What is retired meanwhile is no problem.
//   - V9: of every segment with cuboids: they are those of its definition; every row group is of one; rows, bytes, order and
//     hash are those of its manifest; the base has the event count of the segment and adds up to the events of its inputs;
//     every other one adds up to the base; counts, exact sums, ids of exact distinct counts and the ranked values of a top_n that has
//     dropped none are in the same rows (by fingerprint; of many pairs of row and id by a sample). Exact are all
//     measures but sums of float64, which are compared up to what adding up the same events in another order may lose, and not in
//     merged segments whose events cannot be counted again; percentile, of which the bytes and number, least and greatest of its
//     values are; and a top_n that is full, of which no value's bounds may contradict those of the events. Where a value is in a
//     wrong row is not seen of other measures. The files of a sample of segments are read by a second reader.
//   - V10: of the rest of the store: it says whose it is; every version of every definition, every marker of what was dropped
//     and every snapshot of a lookup table that the catalog names is there as it was written; every backup can be read whole.
//     Damage in folders of retired segments is listed until they are removed: no problem, though a rebuild of the catalog falls back on
//     them; of very many the report says that some were left out. Left out are folders of segments that never were ready, which nothing reads, tables of retired ones, and that a backup is gone, since nothing names it.
//   - V11: a cube's lookup tables are there; a segment's manifest names one snapshot of each lookup table of its definition, as the
//     catalog knows it, and it is in the store as it was written, though the lookup table was dropped.
package verify
