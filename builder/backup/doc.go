// Package backup decides how a dump of the catalog lies in a store: packed, and whether one that lies there is whole. What a dump
// holds is the catalog's; docs/format/catalog-dump.md has its lines.
//
//   - A1: a changed or missing byte of an archive is told, but for the few bits of padding that no reader of deflate looks at.
//   - A2: an archive is read as a stream: memory does not grow with it.
package backup
