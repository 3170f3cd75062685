// Package decode turns the JSON value of a Kafka record into one row of a stage.Chunk, by a table's definition. It does
// no I/O and reads no clock: the same record and definition give the same row or the same refusal, so reading again
// decides the same. What becomes of refused records, and when a chunk is full, is left to ingest.
//
// Two readers of one language stand behind Append. The fast one goes from bytes to columns in one pass and only says yes
// or "unusual"; the careful one (careful.go, check.go) then decides, and it alone words refusals. Tests hold them equal.
//
//   - D1: Append adds exactly one row to every column, or none: after a refusal the chunk is what it was.
//   - D2: a value is accepted only if it is one JSON object (RFC 8259) of valid UTF-8, without a byte order mark, at most
//     MaxDepth levels deep, with nothing but white space around it. Fields that no column names are checked as strictly.
//     Every such value that fits its columns is accepted. (encoding/json agrees, except that it lets invalid UTF-8 pass.)
//   - D3: of equal keys in one object the last one counts, whole, as with encoding/json into a map: in
//     {"page":{"url":1},"page":{"title":"x"}} there is no page.url, and the 1 is not looked at. Keys are equal if they are
//     so after unescaping; case counts. A half surrogate pair (\ud800) is U+FFFD.
//   - D4: types are strict. A number in quotes is no number, except for decimal and epoch timestamps; 1.0 and 1e3 are no
//     int64 (encoding/json refuses them too); nothing is rounded or cut off but fractions of a microsecond (towards the
//     past) and float64, which is the nearest to what was written. Out of range is refused, never saturated.
//   - D5: JSON null and absent are the same to a column: its null policy decides. If something on the way to the value is
//     null or absent, or an array is too short, the value is so too. If something on the way is of another kind (page is
//     a string or array where page.url is wanted), that is wrong_type: silence would hide a wrong mapping.
//   - D6: an event has a possible time: not null, in [Earliest, Latest), and at most MaxAhead after the record's own
//     timestamp (where the broker gave one). A null policy does not replace a missing event time.
//   - D7: in steady state (columns grown) an accepted event allocates nothing; the work is linear in its bytes. Exceptions:
//     timestamps with a Go layout that holds a zone, and headers that are no UTF-8.
//   - D8: reasons are ranked, so that they do not depend on which reader ran: size, emptiness, the JSON itself (its first
//     error), then columns in the table's order, event time last.
//   - D9: the caller keeps a chunk within Room; Append panics rather than let 32-bit ends wrap.
//
// A json column and _extra hold the text as it came, without white space between tokens: numbers keep every digit, and
// keys repeated inside stay. _extra holds every field that no column names, in its place: objects on the way to a column
// keep what is left of them, array elements that columns name are null.
package decode
