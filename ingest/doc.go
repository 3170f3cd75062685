// Package ingest reads topics and stages their events, each Kafka offset exactly once. Per partition one worker decodes
// fetched records to columnar chunks, the chunks of an open range are the tail that queries see, and a sealed range is
// encoded to one staged file, uploaded and committed to the catalog while the next range is already being filled.
//
//   - N1 (I1): reading resumes at the catalog's committed end, never at the consumer group's offsets.
//   - N2 (I3): a partition is claimed by raising its epoch; its commits are in order and carry that epoch. A refused
//     commit discards what is uncommitted where another process owns the partition.
//   - N3: every offset of a range is an event of its file or an exception of its row (gap, quarantined).
//   - N4: loss and a new generation are committed before a later event enters the tail.
//   - N5: a chunk leaves the tail only when its range is committed; whoever pinned it keeps it until released, or
//     for PinTimeout.
//   - N6 (I10): columns, unreadable records and queued fetches are counted against one byte budget. Over half of it
//     the largest open range is rolled, over all of it fetching pauses. Nothing is dropped and nothing dies.
//   - N7 (I3): offsets below the committed end are read again by request alone, and replace whole rows in one transaction
//     under a raised epoch. The partition's own commits wait for it and go on under that epoch; what is in hand stays.
//     An epoch that a person's change has raised is claimed again; one that another process has raised is not fought for.
//
// It leaves to others: what a definition means (internal/cube), bytes to columns (ingest/decode), file formats
// (ingest/stage), what counts as committed (segmenter/catalog) and how far a source may run ahead (ingest/align).
package ingest
