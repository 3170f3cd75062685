// Package cube holds the definitions of tables: what users write in YAML or JSON, its check, its text forms, and the
// guess of a definition from sampled records. It does no I/O and reads no clock. What a definition means for bytes is
// decided by ingest/decode and ingest/stage; which definitions exist, by segmenter/catalog.
//
//   - C1: a table that passed Validate can be decoded and staged: no later step refuses it for what it says.
//   - C2: every complaint about a definition is reported at once, each with its place and with what to write instead.
//   - C3: the text forms lose nothing: ParseTable(FormatTable(t)), ParseTable of the JSON form, ParsePath(p.String()) and
//     ParseType(t.String()) give back what went in.
//   - C4: the definition that Infer returns passes ParseTable, whatever the records were; without one it says why.
package cube
