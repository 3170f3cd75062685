package local

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// aggregates are the columns of cubeYAML's measures and what DuckDB makes of the events.
func aggregates() (stored, raw []string) {
	for _, x := range [][2]string{
		{"count", "count(*)"},
		{"count_n", "count(n)"},
		{"sum_n::decimal(38,0)", "sum(n)::decimal(38,0)"},
		{"sum_big::decimal(38,5)", "sum(big)::decimal(38,5)"},
		{"max_price", "max(price)"},
		{"min_ratio", "min(ratio)"},
		{"avg_price__sum::decimal(38,2)", "sum(price)::decimal(38,2)"},
		{"avg_price__count", "count(price)"},
	} {
		stored, raw = append(stored, x[0]), append(raw, x[1])
	}
	return stored, raw
}

// Query asks DuckDB, which only tests from outside may open.
type Query func(statement string) [][]any

// CompareWithDuckDB builds ranges of a site and compares every cuboid with what DuckDB finds in the staged files themselves.
func CompareWithDuckDB(t *testing.T, open func() Query) {
	w := site(t, 10)
	for i, v := range w.ranges() {
		w.agrees(open(), v, w.build(t.Context(), w.engine(nil), w.input(v, int64(i+1))))
	}
}

// agrees compares every cuboid with DuckDB.
func (w *world) agrees(query Query, v segmenter.Vector, out builder.EngineOutput) {
	w.t.Helper()
	var files []string
	for _, f := range out.Files {
		files = append(files, "'"+filepath.Join(w.root, f.Key)+"'")
	}
	stored, raw := aggregates()
	query("CREATE TABLE cells AS SELECT * FROM read_parquet([" + strings.Join(files, ", ") + "])")
	query("CREATE TABLE events AS " + w.eventsSQL(v))
	masks, err := w.cube.Cuboids()
	must(w.t, err)
	for _, m := range masks {
		var dims, values []string
		for i, name := range w.cube.RowKey {
			if m>>(len(w.cube.RowKey)-1-i)&1 == 1 {
				dims = append(dims, name)
				values = append(values, strings.ReplaceAll(name, "ts_minute", "date_trunc('minute', ts)"))
			}
		}
		have := fmt.Sprintf("SELECT %s FROM cells WHERE _cuboid = %d", strings.Join(append(dims, stored...), ", "), m)
		want := fmt.Sprintf("SELECT %s FROM events GROUP BY %s", strings.Join(append(values, raw...), ", "), strings.Join(values, ", "))
		for name, q := range map[string]string{"too much": have + " EXCEPT ALL (" + want + ")", "missing": want + " EXCEPT ALL (" + have + ")"} {
			if rows := query(q); len(rows) > 0 {
				w.t.Errorf("%s: cuboid %b (%s): %d cells are %s, the first %v", v, m, strings.Join(dims, ", "), len(rows), name, rows[0])
			}
		}
	}
	if got, want := len(out.Cuboids), len(masks); got != want {
		w.t.Errorf("%s: %d cuboids, want %d", v, got, want)
	}
}

// eventsSQL reads the events of a range out of the staged files, without our reader.
func (w *world) eventsSQL(v segmenter.Vector) string {
	var parts []string
	for _, line := range v {
		for _, e := range w.rows {
			if !e.Range.Overlaps(line) {
				continue
			}
			parts = append(parts, w.fileSQL(e.File.Key, e.File.Format, line, nil))
			for _, s := range e.Supplements {
				parts = append(parts, w.fileSQL(s.File.Key, s.File.Format, line, s.Offsets))
			}
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

func (w *world) fileSQL(key string, format cube.Format, line segmenter.PartitionRange, only []int64) string {
	from := fmt.Sprintf("read_parquet('%s')", filepath.Join(w.root, key))
	if format == cube.NDJSON {
		from = fmt.Sprintf("read_json('%s', format = 'newline_delimited', columns = {_offset: 'BIGINT', ts: 'TIMESTAMPTZ', country: 'VARCHAR', page: 'VARCHAR', n: 'BIGINT', "+
			"price: 'DECIMAL(10,2)', big: 'DECIMAL(30,5)', ratio: 'DOUBLE', flag: 'BOOLEAN', day: 'DATE'})", filepath.Join(w.root, key))
	}
	q := fmt.Sprintf("SELECT ts::timestamptz AS ts, country, page, n, price, big, ratio, flag, day FROM %s WHERE _offset >= %d AND _offset < %d", from, line.Start, line.End)
	if only != nil {
		q += " AND _offset IN (" + strings.Trim(strings.ReplaceAll(fmt.Sprint(only), " ", ", "), "[]") + ")"
	}
	return q
}
