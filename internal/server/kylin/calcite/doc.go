// Package calcite translates SQL as Apache Kylin's clients write it, which is Apache Calcite's, to SQL as DuckDB reads it, and says
// how Kylin names the columns of the answer. It looks at tokens only: what a statement means, and whether it is one, is decided by
// whoever reads the result. It does no I/O.
//
//   - X1: text without habits of Calcite comes out as it went in, but for blanks, comments and the names of columns without one.
//   - X2: each byte of the result has its place in the text of the user, so that an error names a place that the user wrote.
//   - X3: strings and quoted names are never looked into; a parameter's value is one literal, whatever is in it.
package calcite
