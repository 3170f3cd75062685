// Package pgcatalog decides what clients of PostgreSQL see when they look around: pg_catalog and information_schema, made of the
// tables of a project. A question is rewritten into one over tables that are handed to a locked DuckDB of its own, which answers
// it; what PostgreSQL has and DuckDB has not, such as regclass or format_type, is written otherwise.
//
//   - G1: only tables of the catalog are read, made of definitions: never an event, never a cuboid.
//   - G2: the numbers (oids) of tables follow from their names and stay the same over restarts and nodes.
//   - G3: the types that columns have here are those that their values are sent as.
//   - G4: what is rewritten keeps its place in the text, so that errors point to what the user wrote.
package pgcatalog
