// Package duck is the border to DuckDB, which runs in this process: text of SQL to a tree and back, expressions over
// values, and statements over tables that are handed in. What a statement means for cubes is its callers' business.
//
// It uses the C interface (duckdb-go-bindings, the lower half of the driver) and not database/sql: through that, a
// result is there as a whole before its first row, and each value is a Go value of its own.
//
// A statement's tree is what DuckDB's parser says, as JSON. Node, Expr, From and Query are typed views of it. Functions
// such as count(*) are calls (count_star); names without brackets that DuckDB takes for functions where no column has
// the name, such as current_timestamp, are a Column.
//
//   - D1: a statement that runs was read by Parse, or by Compile from SQL that it wrote itself.
//   - D2: what a node does not name goes back as DuckDB wrote it, byte by byte, numbers included; a tree that was not
//     changed is written as the same tree.
//   - D3: nothing runs but SELECT, over tables that were handed in; the whole tree is looked at, not what nodes name. DuckDB
//     itself is locked: no files, no extensions, no settings.
//   - D4: what may be called stands in functions.txt; what does not is refused.
//   - D5: when the context of a statement is done, it stops; when Rows are closed, no Scan of theirs runs any more.
//   - D6: rows of a table pass by. At most two records of a scan for each thread are held, and one chunk of the answer.
//   - D7 (I10): whatever a statement asks for, DuckDB takes no more memory than Options.HeapBytes: at the limit the statement
//     fails.
//   - D8: who asked waits at most abandonAfter for a statement that was told to stop. DuckDB cannot be interrupted within one chunk: what it
//     works on then is abandoned, holds its connection until DuckDB has ended, and nothing of ours but that.
package duck
