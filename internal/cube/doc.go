// Package cube holds the definitions of tables and of cubes over them: what users write in YAML or JSON, its check, its
// text forms, and the guess of a table from sampled records. It does no I/O (but for the names of time zones, which the
// standard library may look up on disk) and reads no clock. What a table means for bytes is decided by ingest/decode and
// ingest/stage, what a cube means for cells by builder/cuboid; which definitions exist, by segmenter/catalog.
//
//   - C1: a table that passed Validate can be decoded and staged: no later step refuses it for what it says.
//   - C2: every complaint about a definition is reported at once, each with its place and with what to write instead.
//   - C3: the text forms lose nothing: ParseTable(FormatTable(t)), ParseCube(FormatCube(c)), their JSON forms,
//     ParsePath(p.String()) and ParseType(t.String()) give back what went in.
//   - C4: the definition that Infer returns passes ParseTable, whatever the records were; without one it says why.
//   - C5: a cube that passed Validate against its table can be cut and built: no later step refuses it for what it says.
//   - C6: Cuboids are exactly the sets that the aggregation groups allow, and the base; never more than MaxCuboids.
//   - C7: the cube that InferCube returns passes ParseCube against its table, whatever the records were.
package cube
