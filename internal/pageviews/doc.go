// Package pageviews makes the page views that the demo, the benchmarks and the tests read: JSON records of about 385 bytes
// (or 1.2 kB) with the answer that a correct reader must come to. It decides what an event looks like and which record is
// bad; how records travel is left to others. It does no I/O, reads no clock and imports nothing of ours.
//
//   - G1: the same options give the same records, byte for byte, in the same partitions, on one architecture.
//   - G2: a record is counted in Sums as an event if and only if it is valid JSON (RFC 8259, UTF-8) whose 14 declared
//     columns have their types and whose event time is possible; every other record has a Reason.
//   - G3: dimensions depend on each other as in life: browser on os, os on device, language on country, section on page,
//     campaign on referrer. A session keeps its visitor, country, language, device, os, browser, referrer and campaign.
//   - G4: all records of a visitor are in one partition.
package pageviews
